import type {
  CredentialFacts,
  Facts,
  ParameterFacts,
  RegionFacts,
  ReplicaFacts,
  RotationFacts,
  SecretFacts,
} from '../../../fleet/audit/facts.ts'
import { judgeFacts } from '../../../fleet/audit/judge.ts'
import { DEFAULT_POLICY, type Policy } from '../../../fleet/audit/policy/policy.ts'
import type { Finding } from '../../../fleet/audit/report.ts'
import type { Tags } from '../../../rotation/tags.ts'

/** The time of the audits in these tests. */
export const MOMENT = '2026-11-30T12:00:00.000Z'
export const ACCOUNT = '123456789012'
export const [HERE, THERE] = ['eu-west-1', 'eu-central-1'] as const

const DAY = 86_400_000

/** @returns the time so many days before the audit */
export const ago = (days: number): string => new Date(Date.parse(MOMENT) - days * DAY).toISOString()
/** @returns the day of that time, as Secrets Manager has it for the last read */
export const dayAgo = (days: number): string => ago(days).slice(0, 10)

export const rotateSecretIn = (region: string) =>
  `arn:aws:lambda:${region}:${ACCOUNT}:function:keyturn-dev-rotateSecret`

/** The tags of a credential that Keyturn rotates and a team owns. */
export const enrolled = { 'keyturn:managed': 'true', 'keyturn:every': '30d', team: 'shop' }
/** The tags of a credential that a team owns and Keyturn does not rotate. */
export const hands = { team: 'shop' }
/** The tags of a secret that is rotated in only one Region. */
export const atHome = (region: string) => ({ ...enrolled, 'keyturn:home': region })
/** A resource policy that allows everybody. */
export const openToAll = { is: '{"Statement":{"Effect":"Allow","Principal":"*","Action":"*"}}' }

const common = {
  region: HERE,
  tags: { is: enrolled },
  policy: { is: undefined },
  history: { is: { rotations: [] } },
  readers: [],
} satisfies Partial<CredentialFacts>

/** @returns a secret that breaks no rule, except by what is given */
export function secret(name: string, given: Partial<SecretFacts> = {}): SecretFacts {
  const region = given.region ?? HERE
  return {
    ...common,
    store: 'secrets-manager',
    name,
    arn: `arn:aws:secretsmanager:${region}:${ACCOUNT}:secret:${name}-AbCdEf`,
    current: { at: ago(10), by: 'last-rotated' },
    created: ago(400),
    rotation: { enabled: false },
    history: { is: { rotations: [rotation(10)] } },
    lastAccessed: dayAgo(1),
    readers: [readBy('shop', 1)],
    labels: { v1: ['AWSCURRENT'] },
    pendingSince: { is: undefined },
    replicas: { is: [] },
    ...given,
  }
}

/** @returns a secret that was last read on the day of its last rotation, perhaps only by that */
export const readWhenRotated = (name: string, given: Partial<SecretFacts> = {}): SecretFacts =>
  secret(name, { readers: [], lastAccessed: dayAgo(10), ...given })

/** @returns a secret that has never been read */
export function neverRead(name: string, given: Partial<SecretFacts> = {}): SecretFacts {
  const { lastAccessed: _, ...rest } = secret(name, { readers: [], ...given })
  return rest
}

/** @returns these rotations, the latest first */
export const withRotations = (...rotations: RotationFacts[]) => ({ history: { is: { rotations } } })

/** What a credential has that a team owns and Keyturn has never rotated. */
export const byOthers = (given: Partial<SecretFacts> = {}) => ({
  tags: { is: hands },
  ...withRotations(),
  ...given,
})

/** The rotation settings of a secret that Secrets Manager rotates by this stack. */
export const byService = (given: object = {}): SecretFacts['rotation'] => ({
  enabled: true,
  functionArn: rotateSecretIn(HERE),
  schedule: 'rate(30 days)',
  everyDays: 30,
  last: ago(10),
  next: ago(-20),
  ...given,
})

/** @returns a secret that was last rotated by the admin whose secret is named "admin" */
export const userOfAdmin = (name: string, given: Partial<RotationFacts> = {}): SecretFacts =>
  secret(name, withRotations(rotation(10, { admin: secret('admin').arn, ...given })))

/** What a secret has whose home is here and whose replica is in the other Region. */
export const withReplica = (given: Partial<ReplicaFacts> = {}, tags: Tags = {}) => ({
  tags: { is: { ...atHome(HERE), ...tags } },
  replicas: { is: [{ region: THERE, status: 'InSync', ...given }] },
})

/** @returns the replica of a secret, in sync */
export const replicaOf = (primary: SecretFacts, given: Partial<SecretFacts> = {}): SecretFacts => ({
  ...primary,
  region: THERE,
  arn: primary.arn.replace(primary.region, THERE),
  primaryRegion: primary.region,
  history: { is: { rotations: [] } },
  replicas: { is: [] },
  readers: [],
  ...given,
})

/** @returns a SecureString that breaks no rule, except by what is given */
export function parameter(name: string, given: Partial<ParameterFacts> = {}): ParameterFacts {
  const region = given.region ?? HERE
  return {
    ...common,
    store: 'parameter-store',
    name,
    arn: `arn:aws:ssm:${region}:${ACCOUNT}:parameter/${name.replace(/^\//, '')}`,
    type: 'SecureString',
    tier: 'Standard',
    current: { at: ago(10), by: 'last-changed' },
    changed: ago(10),
    history: { is: { rotations: [rotation(10)] } },
    policies: [],
    pendingSince: { is: undefined },
    readers: [readBy('shop', 1)],
    ...given,
  }
}

/** @returns a rotation that succeeded so many days ago and has closed what it replaced */
export const rotation = (days: number, given: Partial<RotationFacts> = {}): RotationFacts => ({
  began: ago(days + 0.001),
  ended: ago(days),
  outcome: 'rotated',
  milliseconds: 86_400,
  retirement: 'closed',
  execution: `arn:aws:states:${HERE}:${ACCOUNT}:execution:keyturn-dev-rotate:${days}`,
  ...given,
})

/** @returns the reads of a role, the last one so many days ago */
export const readBy = (role: string, days: number, own = false) => ({
  principal: `arn:aws:iam::${ACCOUNT}:role/${role}`,
  own,
  reads: 3,
  denied: 0,
  first: ago(days + 1),
  last: ago(days),
  sessions: [],
})

const regionFacts = (region: string, given: Partial<RegionFacts> = {}): RegionFacts => ({
  stack: { is: { name: 'keyturn-dev', version: '0.1.0', rotateSecret: rotateSecretIn(region), roles: [] } },
  secrets: { is: 'all' },
  parameters: { is: 'all' },
  functions: { [rotateSecretIn(region)]: { is: { runtime: 'nodejs24.x', state: 'Active' } } },
  exposed: { is: {} },
  sweep: { is: { completeSince: ago(7), wantedSince: ago(7), events: 100 } },
  subscribers: { is: 1 },
  ...given,
})

/** @returns the facts of an audit of two Regions */
export const factsOf = (
  credentials: CredentialFacts[],
  regions: { here?: Partial<RegionFacts>; there?: Partial<RegionFacts> } = {},
): Facts => ({
  moment: MOMENT,
  account: ACCOUNT,
  stage: 'dev',
  region: HERE,
  regions: { [HERE]: regionFacts(HERE, regions.here), [THERE]: regionFacts(THERE, regions.there) },
  credentials,
  days: { is: [] },
})

/** @returns the findings of an audit, each as `rule name`, or `rule name: unread` if a fact could not be read */
export const foundIn = (facts: Facts, policy: Partial<Policy> = {}): string[] =>
  judgeFacts(facts, { ...DEFAULT_POLICY, ...policy }).findings.map(told)

export const told = ({ rule, status, credential, region }: Finding): string =>
  `${rule} ${credential?.name ?? region}${status === 'unread' ? ': unread' : ''}`
