import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Metafile } from 'esbuild'
import { unzipSync } from 'fflate'
import { expect, test } from 'vitest'
import Bundle from '../../bundle.ts'
import { bundleFunction } from '../../bundleFunction.ts'
import { packageStack, type Stack } from './package.ts'
import {
  certificate,
  functions,
  hosts,
  inVpc,
  logical,
  packageBoth,
  promotionSteps,
  properties,
  replicaSteps,
  steps,
} from './stacks.ts'

const run = promisify(execFile)

const { plainStack, fullStack, full, scratch } = await packageBoth()

async function unpack(stack: Stack, name: string): Promise<Record<string, Uint8Array>> {
  return unzipSync(await stack.zip(name))
}

test.each(functions)('the package of %s is small and holds nothing but its bundle', async name => {
  const zip = await plainStack.zip(name)
  // The bundle has the drivers, and for checkCredential each engine's checks of changes.
  expect(zip.length).toBeLessThan(inVpc.includes(name) ? 850_000 : 160_000)
  const names = Object.keys(unzipSync(zip))
  expect(names).toContain('index.mjs')
  expect(names.filter(file => !/^[\w-]+\.mjs$/.test(file))).toEqual([])
})

test('equal code makes an equal package, so that nothing is deployed again', async () => {
  expect(await fullStack.zip('createSecret')).toEqual(await plainStack.zip('createSecret'))
})

test('the CA file is in the packages of the functions that log in to databases', async () => {
  for (const name of functions) {
    const file = (await unpack(fullStack, name))['authorities.pem']
    expect(file && Buffer.from(file).toString()).toBe(inVpc.includes(name) ? certificate : undefined)
  }
})

test('the map of hosts is in the packages of the functions that promote with it', async () => {
  for (const name of functions) {
    const file = (await unpack(fullStack, name))['hosts.json']
    const isRead = ['findVersion', 'promoteReplica'].includes(name)
    expect(file && Buffer.from(file).toString(), name).toBe(isRead ? hosts : undefined)
  }
})

/** The first missing key of an event that is an empty object. */
const missed: Record<string, string> = {
  ...Object.fromEntries([...steps, ...replicaSteps].map(name => [name, 'execution'])),
  ...Object.fromEntries(promotionSteps.map(name => [name, 'event'])),
  checkCredential: 'store',
  findDue: 'run',
  startRotation: 'store',
  rotateServer: 'run',
  takeSlot: 'execution',
  awaitRotation: 'store',
  reportRotations: 'host',
  rotateSecret: 'Step',
  setAdmin: 'started',
}

test.each(Object.entries(missed))(
  '%s loads under Node 24, with every chunk, and refuses a bad event',
  async (name, field) => {
    const folder = join(scratch, name)
    for (const [path, data] of Object.entries(await unpack(fullStack, name))) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), data)
    }
    const chunks = (await readdir(folder)).filter(file => file.endsWith('.mjs'))
    const script = `
    const { handler } = await import('./index.mjs')
    const error = await handler({ execution: 7 }, { functionName: 'test' }).catch(error => error)
    for (const chunk of ${JSON.stringify(chunks)}) await import('./' + chunk)
    console.log(JSON.stringify([error.name, error.message]))`
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: folder,
      env: { AWS_REGION: 'eu-west-1', ...environment(name) },
    })
    // Log lines may come before it.
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toEqual([
      'InvalidInput',
      expect.stringMatching(`^${name}: ${field}: `),
    ])
  },
)

function environment(name: string): Record<string, string> {
  return properties(full, `${logical(name)}LambdaFunction`).Environment.Variables
}

test('raiseAlarm loads under Node 24, with every chunk, and the client for SSM only for a webhook', async () => {
  const folder = join(scratch, 'raiseAlarm')
  await mkdir(folder)
  const files = Object.entries(await unpack(plainStack, 'raiseAlarm'))
  for (const [path, data] of files) await writeFile(join(folder, path), data)
  const script = files.map(([path]) => `await import('./${path}');`).join('\n')
  await run(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: folder,
    env: { AWS_REGION: 'eu-west-1', ...environment('raiseAlarm') },
  })
  const holders = files.filter(([, data]) => Buffer.from(data).includes('AmazonSSM')).map(([path]) => path)
  expect(holders).toHaveLength(1)
  expect(holders).not.toContain('index.mjs')
})

const badFiles = {
  'key.pem': '-----BEGIN PRIVATE KEY-----',
  'hosts.yml': 'db.old.example.com: db.new.example.com',
  'list.json': '["db.old.example.com"]',
  'url.json': '{"db.old.example.com": "https://db.new.example.com"}',
}

test.each([
  [{ KEYTURN_GRACE: 'soon' }, 'grace: should be'],
  [{ PASSWORD_LENGTH: '8' }, 'the password settings leave 50 bits'],
  [{ KEYTURN_CA_FILE: '../elsewhere.pem' }, "in the project's folder"],
  [{ KEYTURN_CA_FILE: 'key.pem' }, 'should hold certificates'],
  [{ KEYTURN_CA_FILE: 'absent.pem' }, 'absent.pem'],
  [
    { KEYTURN_HOST_MAP: '../elsewhere.json' },
    "hostMap: should be the path of a file in the project's folder",
  ],
  [{ KEYTURN_HOST_MAP: 'hosts.yml' }, 'hostMap: hosts.yml should be JSON'],
  [{ KEYTURN_HOST_MAP: 'list.json' }, 'hostMap: list.json should be an object of texts'],
  [{ KEYTURN_HOST_MAP: 'url.json' }, 'hostMap: url.json "db.old.example.com": should be a host or host:port'],
  [{ KEYTURN_HOST_MAP: 'absent.json' }, 'absent.json'],
  [{ KEYTURN_WEBHOOK_PARAMETER: 'webhook' }, 'webhookParameter: should begin with /'],
  [{ KEYTURN_MAX_ROTATIONS: '0' }, 'maxConcurrentRotations: should be'],
  [{ KEYTURN_MAX_ROTATIONS: 'many' }, 'maxConcurrentRotations: should be'],
  [{ KEYTURN_MAX_ROTATIONS: '40', KEYTURN_MAX_ROTATIONS_PER_HOST: '1.5' }, 'PerHost: should be'],
  [{ KEYTURN_MAX_ROTATIONS: '40', KEYTURN_MAX_ROTATIONS_PER_HOST: '41' }, 'PerHost: should be'],
])('no package is made with %o', async (environment, problem) => {
  for (const [name, text] of Object.entries(badFiles)) await writeFile(join(scratch, name), text)
  const functions = { createSecret: {}, finishSecret: { environment } }
  const plugin = new Bundle({ serviceDir: scratch, service: { functions } })
  await expect(plugin.hooks['before:package:createDeploymentArtifacts']()).rejects.toThrow(problem)
  // Not even the first function is built, as all parameters are checked before.
  for (const each of Object.values(functions)) expect(each).not.toHaveProperty('package')
  expect(await readdir(scratch)).not.toContain('.build')
})

test.each([
  'rate(61 minutes)',
  'rate(2 hours)',
  'rate(1 day)',
  'rate(0 minutes)',
  'cron(0 * * *)',
  'cron(0/15 8-18 ? * MON-FRI *)',
  '15 minutes',
])('no package is made with dueSchedule %s', async ScheduleExpression => {
  const resources = { Resources: { DueSchedule: { Properties: { ScheduleExpression } } } }
  const plugin = new Bundle({ serviceDir: scratch, service: { functions: {}, resources } })
  await expect(plugin.hooks['before:package:createDeploymentArtifacts']()).rejects.toThrow(
    /^dueSchedule: should be /,
  )
})

test.each(['rate(1 minute)', 'rate(60 minutes)', 'rate(1 hour)'])(
  'a package is made with %s',
  async ScheduleExpression => {
    const resources = { Resources: { DueSchedule: { Properties: { ScheduleExpression } } } }
    const plugin = new Bundle({ serviceDir: scratch, service: { functions: {}, resources } })
    await plugin.hooks['before:package:createDeploymentArtifacts']()
  },
)

test.each([
  [{ dueSchedule: 'rate(2 hours)' }, 'should be a rate'],
  [{ maxConcurrentRotations: '0' }, 'should be a whole number'],
  [{ maxConcurrentRotationsPerHost: '41' }, 'should be a whole number'],
  [{ grace: 'soon' }, 'should be `never`'],
  [{ kmsKeyArn: 'alias/keyturn' }, 'should be the ARN of a key'],
  [{ subnetId: 'subnet-1' }, 'is no parameter; did you mean subnetIds?'],
])('serverless names the parameter in %o, in one line', async (parameter, words) => {
  const { stdout } = await packageStack(parameter as Record<string, string>).then(
    () => expect.fail(),
    (error: { stdout: string }) => error,
  )
  const [, told = ''] = stdout.split('Error:\n')
  expect(told.trim()).toMatch(/^.+$/)
  expect(told).toContain(`${Object.keys(parameter)}: ${words}`)
})

/** @returns the sources of each file of a function's bundle */
async function filesOf(name: string): Promise<Map<string, Metafile['outputs'][string]>> {
  const { outputs } = await bundleFunction(name, join(scratch, 'bundle'))
  return new Map(Object.entries(outputs).map(([path, output]) => [basename(path), output]))
}

const drivers = ['@redis/client', 'mongodb', 'mysql2', 'pg']

test.each([
  // A successful rotation needs no Step Functions, and only one of the two stores.
  ...inVpc.map(name => [name, ['secrets-manager'], [...drivers, 'rds', 'sfn', 'ssm']] as const),
  // This function does not log in to a database.
  ...['createSecret', 'finishSecret', ...replicaSteps].map(
    name => [name, ['secrets-manager'], ['sfn', 'ssm']] as const,
  ),
  ['findDue', ['resource-groups-tagging-api', 'secrets-manager', 'sfn', 'ssm'], []],
  // This function reads a parameter only after an event of Parameter Store.
  ['startRotation', [], ['dynamodb', 'sfn', 'ssm']],
  ['rotateServer', ['sfn'], []],
  ['takeSlot', ['sfn'], []],
  ['awaitRotation', [], ['sfn']],
  ['reportRotations', [], []],
  ['findReplicas', ['dynamodb', 'secrets-manager'], []],
  ['handOver', ['secrets-manager'], []],
  ['promoteReplica', ['secrets-manager'], ['rds', 'sfn', 'ssm']],
  ['notePromotion', ['dynamodb'], []],
  ['reportPromotion', ['dynamodb'], []],
  ['switchRegion', ['sfn'], []],
  // This function reads executions and posts to a webhook only if there is something to report.
  ['raiseAlarm', ['dynamodb', 'sns'], ['sfn', 'ssm']],
  ['recordRotation', ['dynamodb', 'sfn'], []],
] as const)(
  '%s loads %j at its start, in one file, and %j only when it needs them',
  async (name, first, more) => {
    const files = await filesOf(name)
    const index = files.get('index.mjs')
    expect(index?.imports.filter(({ kind }) => kind === 'import-statement')).toEqual([])
    const packages = (paths: string[]) => {
      const found = paths
        .join('\n')
        .matchAll(/node_modules\/(pg|mysql2|mongodb|@redis\/client|@aws-sdk\/client-[\w-]+)\//g)
      return new Set([...found].map(([, name = '']) => name.replace('@aws-sdk/client-', '')))
    }
    const atStart = packages(Object.keys(index?.inputs ?? {}))
    const all = packages([...files.values()].flatMap(({ inputs }) => Object.keys(inputs)))
    expect([...atStart].sort()).toEqual(first)
    expect([...all.difference(atStart)].sort()).toEqual(more)
    // Such a file would have the whole client, for one or two commands.
    const whole = [...files.values()].map(({ entryPoint }) => entryPoint)
    expect(whole.filter(entry => entry?.includes('/@aws-sdk/client-'))).toEqual([])
  },
)

test('a function loads neither Node’s zlib nor its modules for reading files at its start', async () => {
  await filesOf('setSecret')
  const text = await readFile(join(scratch, 'bundle/index.mjs'), 'utf8')
  const named = text.matchAll(/getBuiltinModule\("node:([\w/]+)"\)/g)
  expect([...new Set([...named].map(([, name]) => name))].sort()).toEqual([
    'console',
    'crypto',
    'https',
    'net',
    'os',
    'process',
    'stream',
    'timers',
    'timers/promises',
    'util',
  ])
  expect(text).not.toMatch(/from ?"node:/)
})
