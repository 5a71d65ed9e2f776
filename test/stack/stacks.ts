import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterAll } from 'vitest'
import { deployed, packageStack, type Template } from './package.ts'

/** Those that rotate runs. */
export const steps = [
  'createSecret',
  'setSecret',
  'testSecret',
  'finishSecret',
  'rollbackSecret',
  'retireSecret',
]
/** Those that rotate-due runs. */
export const dueSteps = ['findDue', 'rotateServer']
/** Those that rotate-server runs. */
export const serverSteps = ['takeSlot', 'startRotation', 'awaitRotation', 'reportRotations']
/** Looks after rotate, and is in no output. */
export const lookers = ['awaitReplicas']
/** Those that promote runs. */
export const promotionSteps = [
  'findReplicas',
  'handOver',
  'findVersion',
  'notePromotion',
  'promoteReplica',
  'reportPromotion',
]
/** Those that check runs. */
export const checkSteps = ['checkCredential']
export const functions = [
  ...steps,
  ...lookers,
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
export const stateMachines = [
  ['rotate', 'RotateStateMachine', [...steps, ...lookers]],
  ['rotate-due', 'RotateDueStateMachine', dueSteps],
  ['rotate-server', 'RotateServersStateMachine', serverSteps],
  ['promote', 'PromoteStateMachine', promotionSteps],
  ['check', 'CheckStateMachine', checkSteps],
  ['set-admin', 'SetAdminsStateMachine', ['setAdmin']],
] as const
/** Those that log in to databases. */
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
/** Every parameter that the defaults leave unset, and some that they do not. */
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
 * The stack as packaged with the defaults, and with every parameter set: `plain` and `full` are as CloudFormation reads
 * them. The packages, and an empty folder beside them, are gone when the tests of the file that asks are over.
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

export const logical = (name: string) => name[0]?.toUpperCase() + name.slice(1)
// biome-ignore lint/suspicious/noExplicitAny: a template is JSON, and each test knows what it looks at
export const properties = (template: Template, name: string): any => template.Resources[name]?.Properties
