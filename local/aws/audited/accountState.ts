import { digest } from '../../../fleet/digest.ts'
import type { RotationRecord } from '../../../fleet/records/rotationRecord.ts'
import manifest from '../../../package.json' with { type: 'json' }
import { parameterArn } from '../../../rotation/arn.ts'
import { DAY_MS } from '../../../rotation/timeUnits.ts'
import type {
  DeclaredAccount,
  DeclaredEvent,
  DeclaredParameter,
  DeclaredRegion,
  DeclaredRotation,
  DeclaredSecret,
} from './declared.ts'

/** A declared secret, or the replica of one, with what the declaration left out. Times are ISO 8601. */
export type Secret = DeclaredSecret & {
  arn: string
  region: string
  /** Only of a replica. */
  primaryRegion?: string
  created: string
  changed: string
  versions: { id: string; created: string; labels: string[] }[]
}

/** A declared parameter, with what the declaration left out. */
export type Parameter = DeclaredParameter & { arn: string; changed: string }

/** Keyturn's stack in a Region. */
export type Stack = {
  name: string
  outputs: Record<string, string>
  /** Names of roles of its functions. */
  roles: string[]
  /** ARNs of the alarm topic's subscriptions, or what SNS says in place of one. */
  subscriptions: string[]
}

/** All that the services of a Region tell. */
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

/** The account: what AWS's clock shows, the account's id, and its Regions by name. */
export type AccountState = { moment: Date; account: string; regions: Map<string, Region> }

/** Builds the account from its declaration, with defaults for what the declaration leaves out. */
export function buildAccountState(declared: DeclaredAccount): AccountState {
  const { account = '123456789012', regions } = declared
  const moment = new Date(declared.moment)
  const state: AccountState = { moment, account, regions: new Map() }
  const first = Object.keys(regions)[0] ?? ''
  const regionsWithStack = Object.entries(regions).flatMap(([name, { stack = name === first }]) =>
    stack ? name : [],
  )
  for (const [name, region] of Object.entries(regions))
    state.regions.set(name, regionOf(declared, state, name, region, regionsWithStack))
  for (const [name, { secrets = [] }] of Object.entries(regions))
    for (const secret of secrets) replicate(state, state.regions.get(name) as Region, secret)
  return state
}

function regionOf(
  { stage = 'dev' }: DeclaredAccount,
  { account, moment }: AccountState,
  name: string,
  declared: DeclaredRegion,
  regionsWithStack: string[],
): Region {
  const arn = (service: string, rest: string) => `arn:aws:${service}:${name}:${account}:${rest}`
  const base = `keyturn-${stage}`
  const functionArn = arn('lambda', `function:${base}-rotateSecret`)
  const { stack = regionsWithStack[0] === name, functions = [], rotations = [], events = [] } = declared
  const defaultTime = new Date(moment.getTime() - 100 * DAY_MS).toISOString()
  const secrets = (declared.secrets ?? []).map(secret =>
    secretOf(secret, name, account, defaultTime, functionArn),
  )
  const parameters = (declared.parameters ?? []).map(parameter => ({
    changed: defaultTime,
    ...parameter,
    arn: parameterArn(parameter.name, arn('ssm', '')),
  }))
  const executionOf = (began: string, credential: string) =>
    arn('states', `execution:${base}-rotate:${digest(`${credential} ${began}`).slice(0, 36)}`)
  return {
    name,
    stack: stack ? stackOf(stack === true ? {} : stack, base, stage, arn, regionsWithStack) : undefined,
    secrets: new Map(secrets.map(secret => [secret.arn, secret])),
    parameters,
    functions: [
      ...(stack ? [{ arn: functionArn, runtime: 'nodejs24.x', state: 'Active' }] : []),
      ...functions.map(({ name, runtime = 'nodejs24.x', state = 'Active' }) => ({
        arn: arn('lambda', `function:${name}`),
        runtime,
        state,
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
  defaultTime: string,
  functionArn: string,
): Secret {
  const { name, suffix = suffixOf(name), created = defaultTime, changed = created, rotation } = secret
  const { versions = [{ id: idOf(`${name} current`), created: changed, labels: ['AWSCURRENT'] }] } = secret
  const { pending } = secret
  return {
    ...secret,
    region,
    created,
    changed,
    arn: `arn:aws:secretsmanager:${region}:${account}:secret:${name}-${suffix}`,
    ...(rotation && { rotation: { enabled: true, functionArn, ...rotation } }),
    versions: [
      ...versions,
      ...(pending ? [{ id: idOf(`${name} pending`), created: pending, labels: ['AWSPENDING'] }] : []),
    ],
  }
}

/** Adds the replicas of a secret to their Regions. A replica has its primary's name, tags and versions, and no schedule. */
function replicate(state: AccountState, home: Region, declared: DeclaredSecret): void {
  const primary = [...home.secrets.values()].find(({ name }) => name === declared.name)
  for (const replica of primary?.replicas ?? []) {
    const { region: name, held = true, versions = primary?.versions } = replica
    const empty = { secrets: new Map(), parameters: [], functions: [], events: [], rotations: [] }
    const region = state.regions.get(name) ?? { name, stack: undefined, ...empty, analyzer: false }
    state.regions.set(name, region)
    if (!primary || !held) continue
    const { rotation, replicas, rotations, pending, accessed, keyId, policy, exposedTo, ...same } = primary
    const arn = primary.arn.replace(`:${home.name}:`, `:${name}:`)
    region.secrets.set(arn, {
      ...same,
      arn,
      region: name,
      primaryRegion: home.name,
      versions: versions ?? [],
      ...(replica.accessed && { accessed: replica.accessed }),
      ...(replica.keyId && { keyId: replica.keyId }),
      ...(replica.policy && { policy: replica.policy }),
    })
  }
}

/** Makes an ARN of the Region. */
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
  regionsWithStack: string[],
): Stack {
  const topic = arn('sns', `${base}-alarms`)
  const here = topic.split(':')[3]
  return {
    name: base,
    outputs: {
      Stage: stage,
      Version: version,
      DueSchedule: 'rate(15 minutes)',
      Settings: '{}',
      RotateStateMachineArn: arn('states', `stateMachine:${base}-rotate`),
      RotateDueStateMachineArn: arn('states', `stateMachine:${base}-rotate-due`),
      RotateSecretFunctionArn: arn('lambda', `function:${base}-rotateSecret`),
      RotationTableName: `${base}-rotations`,
      AlarmTopicArn: topic,
      PeerRegions: regionsWithStack.filter(name => name !== here).join(','),
      ...outputs,
    },
    roles: [
      ...['createSecret', 'setSecret', 'testSecret', 'findDue'].map(each => `${base}-${each}`),
      ...roles,
    ],
    subscriptions: subscriptions ?? [`${topic}:6f4d2a0e-1c4b-4c55-9d0c-0d6f3a1f4f10`],
  }
}

/**
 * Six characters, as at the end of a secret's ARN:
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
 */
const suffixOf = (name: string) => digest(name).slice(0, 6)

/** A UUID that depends on the text alone. */
function idOf(text: string): string {
  const hex = digest(text)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  )
}

/** The records of a credential's declared rotations. */
function recordsOf(
  store: RotationRecord['store'],
  { name, arn, rotations = [] }: { name: string; arn: string; rotations?: DeclaredRotation[] },
  executionOf: (began: string, credential: string) => string,
): RotationRecord[] {
  return rotations.map(rotation => {
    const execution = executionOf(rotation.began, arn)
    const token = execution.split(':').at(-1) ?? ''
    const ended = rotation.ended ?? new Date(Date.parse(rotation.began) + 4000).toISOString()
    return {
      store,
      id: name,
      name,
      execution,
      token,
      startedBy: 'schedule',
      ...(store === 'secrets-manager' && { arn }),
      ...(rotation.outcome !== 'running' && {
        ended,
        milliseconds: Date.parse(ended) - Date.parse(rotation.began),
      }),
      ...rotation,
    }
  })
}
