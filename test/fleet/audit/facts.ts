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

/** When the audits of these tests are. */
export const MOMENT = '2026-11-30T12:00:00.000Z'
export const ACCOUNT = '123456789012'
export const [HERE, THERE] = ['eu-west-1', 'eu-central-1'] as const

const DAY = 86_400_000

/** So many days before the moment. */
export const ago = (days: number): string => new Date(Date.parse(MOMENT) - days * DAY).toISOString()
/** The day of that, as Secrets Manager tells when a secret was read. */
export const dayAgo = (days: number): string => ago(days).slice(0, 10)

export const rotateSecretIn = (region: string) =>
  `arn:aws:lambda:${region}:${ACCOUNT}:function:keyturn-dev-rotateSecret`

/** Tags of what Keyturn rotates and a team has. */
export const enrolled = { 'keyturn:managed': 'true', 'keyturn:every': '30d', team: 'shop' }
/** Tags of what a team has and Keyturn does not rotate. */
export const hands = { team: 'shop' }
/** Tags of what is rotated in one Region alone. */
export const atHome = (region: string) => ({ ...enrolled, 'keyturn:home': region })
/** A resource policy that lets in everybody. */
export const openToAll = { is: '{"Statement":{"Effect":"Allow","Principal":"*","Action":"*"}}' }

const common = {
  region: HERE,
  tags: { is: enrolled },
  policy: { is: undefined },
  history: { is: { rotations: [] } },
  readers: [],
} satisfies Partial<CredentialFacts>

/** A secret that breaks no rule, but for what is given. */
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

/** A secret that others may have read on the day of its last rotation, or not. */
export const readWhenRotated = (name: string, given: Partial<SecretFacts> = {}): SecretFacts =>
  secret(name, { readers: [], lastAccessed: dayAgo(10), ...given })

/** A secret that has never been read. */
export function neverRead(name: string, given: Partial<SecretFacts> = {}): SecretFacts {
  const { lastAccessed: _, ...rest } = secret(name, { readers: [], ...given })
  return rest
}

/** These rotations, the latest first. */
export const withRotations = (...rotations: RotationFacts[]) => ({ history: { is: { rotations } } })

/** What a team has and Keyturn has never rotated. */
export const byOthers = (given: Partial<SecretFacts> = {}) => ({
  tags: { is: hands },
  ...withRotations(),
  ...given,
})

/** How Secrets Manager rotates by this stack. */
export const byService = (given: object = {}): SecretFacts['rotation'] => ({
  enabled: true,
  functionArn: rotateSecretIn(HERE),
  schedule: 'rate(30 days)',
  everyDays: 30,
  last: ago(10),
  next: ago(-20),
  ...given,
})

/** A secret whose last rotation was by the secret that is called admin. */
export const userOfAdmin = (name: string, given: Partial<RotationFacts> = {}): SecretFacts =>
  secret(name, withRotations(rotation(10, { admin: secret('admin').arn, ...given })))

/** What a secret has that is at home here and has a replica there. */
export const withReplica = (given: Partial<ReplicaFacts> = {}, tags: Tags = {}) => ({
  tags: { is: { ...atHome(HERE), ...tags } },
  replicas: { is: [{ region: THERE, status: 'InSync', ...given }] },
})

/** The replica of a secret that follows it. */
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

/** A SecureString that breaks no rule, but for what is given. */
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

/** A rotation that went well so many days ago and has closed what it replaced. */
export const rotation = (days: number, given: Partial<RotationFacts> = {}): RotationFacts => ({
  began: ago(days + 0.001),
  ended: ago(days),
  outcome: 'rotated',
  milliseconds: 86_400,
  retirement: 'closed',
  execution: `arn:aws:states:${HERE}:${ACCOUNT}:execution:keyturn-dev-rotate:${days}`,
  ...given,
})

/** The reads of a role, the last one so many days ago. */
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

/** The facts of an audit of two Regions. */
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

/** What an audit finds, each as `rule name`, or `rule name: unread`. */
export const foundIn = (facts: Facts, policy: Partial<Policy> = {}): string[] =>
  judgeFacts(facts, { ...DEFAULT_POLICY, ...policy }).findings.map(told)

export const told = ({ rule, status, credential, region }: Finding): string =>
  `${rule} ${credential?.name ?? region}${status === 'unread' ? ': unread' : ''}`
