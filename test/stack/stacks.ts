import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterAll } from 'vitest'
import { deployed, packageStack, type Template } from './package.ts'

/** The functions that rotate runs, except awaitReplicas. */
export const steps = [
  'createSecret',
  'setSecret',
  'testSecret',
  'finishSecret',
  'rollbackSecret',
  'retireSecret',
]
/** The functions that rotate-due runs. */
export const dueSteps = ['findDue', 'rotateServer']
/** The functions that rotate-server runs. */
export const serverSteps = ['takeSlot', 'startRotation', 'awaitRotation', 'reportRotations']
/** The function that rotate runs to look at replicas. It is in no output of the stack. */
export const replicaSteps = ['awaitReplicas']
/** The functions that promote runs. */
export const promotionSteps = [
  'findReplicas',
  'handOver',
  'findVersion',
  'notePromotion',
  'promoteReplica',
  'reportPromotion',
]
/** The functions that check runs. */
export const checkSteps = ['checkCredential']
/** All functions of the stack. */
export const functions = [
  ...steps,
  ...replicaSteps,
  ...dueSteps,
  ...serverSteps,
  ...promotionSteps,
  ...checkSteps,
  'setAdmin',
  'switchRegion',
  'rotateSecret',
  'raiseAlarm',
  'recordRotation',
]
/** All state machines: the name, the logical id, and the functions that it runs. */
export const stateMachines = [
  ['rotate', 'RotateStateMachine', [...steps, ...replicaSteps]],
  ['rotate-due', 'RotateDueStateMachine', dueSteps],
  ['rotate-server', 'RotateServersStateMachine', serverSteps],
  ['promote', 'PromoteStateMachine', promotionSteps],
  ['check', 'CheckStateMachine', checkSteps],
  ['set-admin', 'SetAdminsStateMachine', ['setAdmin']],
] as const
/** The functions that log in to databases, and so are in the VPC. */
export const inVpc = [
  'setSecret',
  'testSecret',
  'rollbackSecret',
  'retireSecret',
  'rotateSecret',
  'findVersion',
  'checkCredential',
  'setAdmin',
]

export const key = 'arn:aws:kms:eu-west-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'
export const admins = ['one', 'two'].map(
  name => `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${name}-AbCdEf`,
)
export const hosts = '{"db.old.example.com": "db.new.example.com"}'
export const certificate = rootCertificates[0] ?? ''
/** Values for the parameters that change the template, other than their defaults: a new one belongs here too. */
export const parameters = {
  region: 'eu-west-1',
  subnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
  securityGroupIds: 'sg-0123456789abcdef0',
  kmsKeyArn: key,
  peerRegions: 'eu-central-1,us-east-1',
  hostMap: 'hosts.json',
  rehearsalSchedule: 'rate(1 day)',
  regionSwitch: 'lost',
  tagSchedules: 'true',
  adminSecretArns: admins.join(','),
  caFile: 'authorities.pem',
  grace: '7d',
  passwordLength: '40',
  excludeCharacters: '/@"',
  excludeNumbers: 'false',
  excludePunctuation: 'true',
  excludeUppercase: 'false',
  excludeLowercase: 'false',
  requireEachIncludedType: 'true',
  dueSchedule: 'rate(5 minutes)',
  maxConcurrentRotations: '100',
  maxConcurrentRotationsPerHost: '10',
  eventBusName: 'operations',
  alarmEmail: 'on-call@example.com',
  webhookParameter: '/keyturn/webhook',
  runbookUrl: 'https://wiki.example/runbook',
  logRetentionInDays: '30',
}

/**
 * Packages the stack with the defaults (`plain`) and with all values of `parameters` (`full`). The packages, and the empty folder
 * `scratch`, are deleted after the tests of the calling file.
 */
export async function packageBoth() {
  const scratch = await mkdtemp(join(tmpdir(), 'keyturn-bundles-'))
  const [plainStack, fullStack] = await Promise.all([
    packageStack(),
    packageStack(parameters, { 'authorities.pem': certificate, 'hosts.json': hosts }),
  ])
  afterAll(async () => {
    await plainStack[Symbol.asyncDispose]()
    await fullStack[Symbol.asyncDispose]()
    await rm(scratch, { recursive: true, force: true })
  })
  const [plain, full] = [deployed(plainStack.template), deployed(fullStack.template)]
  return { plainStack, fullStack, plain, full, scratch }
}

/** @returns the logical id that a name gives, with its first letter in upper case */
export const logical = (name: string) => name[0]?.toUpperCase() + name.slice(1)
// biome-ignore lint/suspicious/noExplicitAny: a template is JSON, and each test knows what it looks at
export const properties = (template: Template, name: string): any => template.Resources[name]?.Properties
