import { digest } from '../../../fleet/digest.ts'
import type { RotationRecord } from '../../../fleet/records/rotationRecord.ts'
import manifest from '../../../package.json' with { type: 'json' }
import { parameterArn } from '../../../rotation/arn.ts'
import type {
  DeclaredAccount,
  DeclaredEvent,
  DeclaredParameter,
  DeclaredRegion,
  DeclaredRotation,
  DeclaredSecret,
} from './declared.ts'

const DAY_MS = 86_400_000

export type Secret = DeclaredSecret & {
  arn: string
  region: string
  primaryRegion?: string
  created: string
  changed: string
  versions: { id: string; created: string; labels: string[] }[]
}
export type Parameter = DeclaredParameter & { arn: string; changed: string }
export type Stack = {
  name: string
  outputs: Record<string, string>
  roles: string[]
  subscriptions: string[]
}

/** A Region as it is asked. */
export type Region = {
  name: string
  stack: Stack | undefined
  /** By ARN. */
  secrets: Map<string, Secret>
  parameters: Parameter[]
  functions: { arn: string; runtime: string; state: string }[]
  events: DeclaredEvent[]
  rotations: RotationRecord[]
  analyzer: boolean
}

export type AccountState = { moment: Date; account: string; regions: Map<string, Region> }

/** All that the account has, with whatever the declaration leaves out. */
export function buildAccountState(declared: DeclaredAccount): AccountState {
  const { account = '123456789012', regions } = declared
  const moment = new Date(declared.moment)
  const world: AccountState = { moment, account, regions: new Map() }
  const first = Object.keys(regions)[0] ?? ''
  const stacked = Object.entries(regions).flatMap(([name, { stack = name === first }]) => (stack ? name : []))
  for (const [name, region] of Object.entries(regions))
    world.regions.set(name, regionOf(declared, world, name, region, stacked))
  for (const [name, { secrets = [] }] of Object.entries(regions))
    for (const secret of secrets) replicate(world, world.regions.get(name) as Region, secret)
  return world
}

function regionOf(
  { stage = 'dev' }: DeclaredAccount,
  world: AccountState,
  name: string,
  declared: DeclaredRegion,
  stacked: string[],
): Region {
  const { account } = world
  const arn = (service: string, rest: string) => `arn:aws:${service}:${name}:${account}:${rest}`
  const base = `keyturn-${stage}`
  const functionArn = arn('lambda', `function:${base}-rotateSecret`)
  const { stack = stacked[0] === name, functions = [], rotations = [], events = [] } = declared
  const hundred = new Date(world.moment.getTime() - 100 * DAY_MS).toISOString()
  const secrets = (declared.secrets ?? []).map(secret =>
    secretOf(secret, name, account, hundred, functionArn),
  )
  const parameters = (declared.parameters ?? []).map(parameter => ({
    changed: hundred,
    ...parameter,
    arn: parameterArn(parameter.name, arn('ssm', '')),
  }))
  const executionOf = (began: string, of: string) =>
    arn('states', `execution:${base}-rotate:${digest(`${of} ${began}`).slice(0, 36)}`)
  return {
    name,
    stack: stack ? stackOf(stack === true ? {} : stack, base, stage, arn, stacked) : undefined,
    secrets: new Map(secrets.map(secret => [secret.arn, secret])),
    parameters,
    functions: [
      ...(stack ? [{ arn: functionArn, runtime: 'nodejs24.x', state: 'Active' }] : []),
      ...functions.map(({ name, runtime = 'nodejs24.x', state = 'Active' }) => ({
        ...{ arn: arn('lambda', `function:${name}`), runtime, state },
      })),
    ],
    events: events
      .map((event, i) => ({ eventID: idOf(`event ${name} ${i}`), ...event }))
      .sort((a, b) => Date.parse(b.eventTime) - Date.parse(a.eventTime)),
    rotations: [
      ...secrets.flatMap(secret => recordsOf('secrets-manager', secret, executionOf)),
      ...parameters.flatMap(parameter => recordsOf('parameter-store', parameter, executionOf)),
      ...rotations,
    ],
    analyzer: declared.analyzer ?? secrets.some(({ exposedTo }) => exposedTo),
  }
}

function secretOf(
  secret: DeclaredSecret,
  region: string,
  account: string,
  hundred: string,
  functionArn: string,
): Secret {
  const { name, suffix = suffixOf(name), created = hundred, changed = created, rotation } = secret
  const { versions = [{ id: idOf(`${name} current`), created: changed, labels: ['AWSCURRENT'] }] } = secret
  const { pending } = secret
  return {
    ...{ ...secret, region, created, changed },
    arn: `arn:aws:secretsmanager:${region}:${account}:secret:${name}-${suffix}`,
    ...(rotation && { rotation: { enabled: true, functionArn, ...rotation } }),
    versions: [
      ...versions,
      ...(pending ? [{ id: idOf(`${name} pending`), created: pending, labels: ['AWSPENDING'] }] : []),
    ],
  }
}

/** A replica has its primary's name, tags and versions; the schedule is the primary's alone. */
function replicate(world: AccountState, home: Region, declared: DeclaredSecret): void {
  const primary = [...home.secrets.values()].find(({ name }) => name === declared.name)
  for (const replica of primary?.replicas ?? []) {
    const { region: name, held = true, versions = primary?.versions } = replica
    const empty = { secrets: new Map(), parameters: [], functions: [], events: [], rotations: [] }
    const region = world.regions.get(name) ?? { name, stack: undefined, ...empty, analyzer: false }
    world.regions.set(name, region)
    if (!primary || !held) continue
    const { rotation, replicas, rotations, pending, accessed, keyId, policy, exposedTo, ...same } = primary
    const arn = primary.arn.replace(`:${home.name}:`, `:${name}:`)
    region.secrets.set(arn, {
      ...{ ...same, arn, region: name, primaryRegion: home.name, versions: versions ?? [] },
      ...(replica.accessed && { accessed: replica.accessed }),
      ...(replica.keyId && { keyId: replica.keyId }),
      ...(replica.policy && { policy: replica.policy }),
    })
  }
}

type Arn = (service: string, rest: string) => string

function stackOf(
  {
    version = manifest.version,
    roles = [],
    outputs = {},
    subscriptions,
  }: Exclude<DeclaredRegion['stack'], boolean | undefined>,
  base: string,
  stage: string,
  arn: Arn,
  stacked: string[],
): Stack {
  const topic = arn('sns', `${base}-alarms`)
  const here = topic.split(':')[3]
  return {
    name: base,
    outputs: {
      ...{ Stage: stage, Version: version, DueSchedule: 'rate(15 minutes)', Settings: '{}' },
      RotateStateMachineArn: arn('states', `stateMachine:${base}-rotate`),
      RotateDueStateMachineArn: arn('states', `stateMachine:${base}-rotate-due`),
      RotateSecretFunctionArn: arn('lambda', `function:${base}-rotateSecret`),
      RotationTableName: `${base}-rotations`,
      AlarmTopicArn: topic,
      PeerRegions: stacked.filter(name => name !== here).join(','),
      ...outputs,
    },
    roles: [
      ...['createSecret', 'setSecret', 'testSecret', 'findDue'].map(each => `${base}-${each}`),
      ...roles,
    ],
    subscriptions: subscriptions ?? [`${topic}:6f4d2a0e-1c4b-4c55-9d0c-0d6f3a1f4f10`],
  }
}

/** As Secrets Manager's, six letters and digits. */
const suffixOf = (name: string) => digest(name).slice(0, 6)

/** A UUID, always the same for a text. */
function idOf(text: string): string {
  const hex = digest(text)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  )
}

function recordsOf(
  store: RotationRecord['store'],
  { name, arn, rotations = [] }: { name: string; arn: string; rotations?: DeclaredRotation[] },
  executionOf: (began: string, of: string) => string,
): RotationRecord[] {
  return rotations.map(rotation => {
    const execution = executionOf(rotation.began, arn)
    const token = execution.split(':').at(-1) ?? ''
    const ended = rotation.ended ?? new Date(Date.parse(rotation.began) + 4000).toISOString()
    return {
      ...{ store, id: name, name, execution, token, startedBy: 'schedule' },
      ...(store === 'secrets-manager' && { arn }),
      ...(rotation.outcome !== 'running' && {
        ended,
        milliseconds: Date.parse(ended) - Date.parse(rotation.began),
      }),
      ...rotation,
    }
  })
}
