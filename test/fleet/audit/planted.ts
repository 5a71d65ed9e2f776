import { DEFAULT_POLICY, type Policy } from '../../../fleet/audit/policy/policy.ts'
import type {
  DeclaredEvent,
  DeclaredParameter,
  DeclaredRegion,
  DeclaredSecret,
} from '../../../local/aws/audited.ts'
import { session } from '../readers/trail.ts'
import { ACCOUNT, ago, atHome, dayAgo, enrolled, HERE, hands, THERE } from './facts.ts'

/** Credentials of a Region, and the findings that an audit must have about them: `rule name`. */
type Plant = {
  secrets?: DeclaredSecret[]
  parameters?: DeclaredParameter[]
  events?: DeclaredEvent[]
  found?: string[]
}
/** Makes the credentials for a rule in a Region. The number makes their names and times differ. */
type Planting = (name: string, place: { region: string; other: string; n: number }) => Plant

/** The rotation settings of a number: no two are due in the same minute. */
let minutes = 0
const went = (days: number, given: object = {}) => ({
  began: new Date(Date.parse(ago(days)) - (minutes++ % 600) * 60_000).toISOString(),
  outcome: 'rotated' as const,
  retirement: 'closed' as const,
  ...given,
})
const failed = (days: number, given: object = {}) =>
  went(days, { outcome: 'failed', error: 'Unreachable', step: 'SetSecret', retirement: undefined, ...given })

/** @returns a secret that Keyturn rotates and others read, except for what is given */
const secret = (name: string, given: Partial<DeclaredSecret> = {}): DeclaredSecret => ({
  name,
  suffix: 'AbCdEf',
  created: ago(400),
  changed: ago(11),
  accessed: dayAgo(1),
  tags: enrolled,
  rotations: [went(10)],
  ...given,
})

/** @returns a secret that Secrets Manager rotates by the given function, or else by this stack's */
const byService = (
  name: string,
  rotation: DeclaredSecret['rotation'] = {},
  given: Partial<DeclaredSecret> = {},
) =>
  secret(name, {
    tags: hands,
    rotations: [],
    rotation: { schedule: 'rate(30 days)', last: ago(10), next: ago(-20), ...rotation },
    ...given,
  })

const byHand = (name: string, given: Partial<DeclaredSecret> = {}) =>
  secret(name, { tags: hands, rotations: [], ...given })

const parameter = (name: string, given: Partial<DeclaredParameter> = {}): DeclaredParameter => ({
  name,
  changed: ago(11),
  tags: enrolled,
  rotations: [went(10)],
  ...given,
})

const readOf = (name: string, role = 'shop', days = 1): DeclaredEvent => ({
  eventName: name.startsWith('/') ? 'GetParameter' : 'GetSecretValue',
  eventTime: ago(days),
  eventSource: name.startsWith('/') ? 'ssm.amazonaws.com' : 'secretsmanager.amazonaws.com',
  userIdentity: session(role, 'i-0123456789abcdef0'),
  requestParameters: name.startsWith('/') ? { name, withDecryption: true } : { secretId: name },
})

/** @returns a parameter that others read */
const readParameter = (name: string, given: Partial<DeclaredParameter> = {}): Plant => ({
  parameters: [parameter(name, given)],
  events: [readOf(name)],
})

const only = (one: DeclaredSecret): Plant => ({ secrets: [one] })
const arnIn = (region: string, name: string) =>
  `arn:aws:secretsmanager:${region}:${ACCOUNT}:secret:${name}-AbCdEf`
const functionIn = (region: string, name: string) => `arn:aws:lambda:${region}:${ACCOUNT}:function:${name}`
const adminOf = (region: string, name: string, users: number): DeclaredSecret[] =>
  Array.from({ length: users }, (_, n) =>
    secret(`${name}/user-${n}`, { rotations: [went(10, { admin: arnIn(region, name) })] }),
  )
const replicated = (name: string, region: string, other: string, replica: object = {}, tags: object = {}) =>
  secret(name, {
    tags: { ...atHome(region), ...tags },
    replicas: [{ region: other, status: 'InSync', accessed: dayAgo(1), ...replica }],
  })
const allow = (Principal: unknown, more: object = {}) => ({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Principal, Action: 'secretsmanager:GetSecretValue', Resource: '*', ...more },
  ],
})
const stranger = { AWS: 'arn:aws:iam::999999999999:root' }
const organisation = { Condition: { StringEquals: { 'aws:PrincipalOrgID': 'o-abcdef1234' } } }

/** For each rule about credentials, one credential that breaks it and one that nearly does. */
export const plantings: Record<string, { hit: Planting; near: Planting }> = {
  'never-rotates': {
    hit: (name, { n }) =>
      n % 2 ? only(byHand(name)) : readParameter(`/${name}`, { tags: hands, rotations: [] }),
    near: name => only(byHand(`rds!${name.replaceAll('/', '-')}`, { owningService: 'rds' })),
  },
  'too-old': {
    hit: name => only(byService(name, { last: ago(90.1) })),
    near: name => only(byService(name, { last: ago(89.9) })),
  },
  'interval-too-long': {
    hit: name => only(byService(name, { schedule: 'rate(91 days)' })),
    near: name => only(byService(name, { schedule: 'rate(90 days)' })),
  },
  overdue: {
    hit: name => only(byService(name, { next: ago(1.1) })),
    near: name => only(byService(name, { next: ago(0.9) })),
  },
  'tags-refused': {
    hit: name => only(secret(name, { tags: { ...enrolled, 'keyturn:every': 'monthly' } })),
    near: name => only(secret(name, { tags: { ...enrolled, every: 'monthly' } })),
  },
  'not-at-home': {
    hit: (name, { other }) => only(secret(name, { tags: atHome(other) })),
    near: (name, { region }) => only(secret(name, { tags: atHome(region) })),
  },
  'locked-out': {
    hit: name => only(secret(name, { rotations: [went(5, { outcome: 'locked-out' }), went(10)] })),
    near: name => only(secret(name, { rotations: [went(5), went(6, { outcome: 'locked-out' })] })),
  },
  'rotation-stopped': {
    hit: name =>
      only(secret(name, { rotations: [went(5, { outcome: 'stopped', step: 'SetSecret' }), went(10)] })),
    near: name =>
      only(secret(name, { rotations: [went(5, { outcome: 'stopped', step: 'CreateSecret' }), went(10)] })),
  },
  failing: {
    hit: (name, { n }) =>
      n % 2
        ? only(secret(name, { accessed: dayAgo(0), rotations: [failed(2), failed(3), went(10)] }))
        : readParameter(`/${name}`, { rotations: [failed(2), went(10)] }),
    near: name => only(secret(name, { rotations: [went(2), failed(3), went(10)] })),
  },
  'stuck-pending': {
    hit: (name, { n }) =>
      n % 2
        ? only(secret(name, { pending: ago(1.1) }))
        : {
            parameters: [
              parameter(`/${name}`),
              {
                name: `/keyturn/pending/${name}/0f5b0a3e-6f6e-4bd0-9a0e-1f6f1c7d2b6a`,
                changed: ago(1.1),
              },
              { name: `/keyturn/pending/${name}/lock`, changed: ago(1.1) },
            ],
            events: [readOf(`/${name}`)],
          },
    near: name => only(secret(name, { pending: ago(0.9) })),
  },
  'left-open': {
    hit: name => only(secret(name, { rotations: [went(10, { retirement: 'open', openUntil: ago(3) })] })),
    near: name => only(secret(name, { rotations: [went(10, { retirement: 'open', openUntil: ago(-3) })] })),
  },
  'admin-not-rotated': {
    hit: (name, { region }) => ({ secrets: [byHand(name), ...adminOf(region, name, 1)] }),
    near: (name, { region }) => ({ secrets: [secret(name), ...adminOf(region, name, 1)] }),
  },
  'admin-shared': {
    hit: (name, { region }) => ({ secrets: [secret(name), ...adminOf(region, name, 3)] }),
    near: (name, { region }) => ({ secrets: [secret(name), ...adminOf(region, name, 2)] }),
  },
  'function-missing': {
    hit: (name, { region }) => ({
      secrets: [byService(name, { functionArn: functionIn(region, 'none') })],
      found: [`function-missing ${name}`, `function-foreign ${name}`],
    }),
    near: (name, { region }) => ({
      secrets: [byService(name, { functionArn: functionIn(region, 'idle') })],
      found: [`function-foreign ${name}`],
    }),
  },
  'function-elsewhere': {
    hit: (name, { region }) =>
      only(byService(name, { functionArn: functionIn(region, 'x').replace(ACCOUNT, '999999999999') })),
    near: (name, { region }) =>
      only(byService(name, { functionArn: functionIn(region, 'x').replace(ACCOUNT, '222222222222') })),
  },
  'function-foreign': {
    hit: (name, { region }) => only(byService(name, { functionArn: functionIn(region, 'other') })),
    near: (name, { region }) =>
      only(byService(name, { functionArn: functionIn(region, 'keyturn-dev-rotateSecret') })),
  },
  'function-runtime': {
    hit: (name, { region }) => ({
      secrets: [byService(name, { functionArn: functionIn(region, 'old') })],
      found: [`function-runtime ${name}`, `function-foreign ${name}`],
    }),
    near: (name, { region }) => ({
      secrets: [byService(name, { functionArn: functionIn(region, 'aging') })],
      found: [`function-foreign ${name}`],
    }),
  },
  'replica-failed': {
    hit: (name, { region, other }) =>
      only(replicated(name, region, other, { status: 'Failed', message: 'no key', held: false })),
    near: (name, { region, other }) => only(replicated(name, region, other, { status: 'InProgress' })),
  },
  'replica-behind': {
    hit: (name, { region, other }) =>
      only(
        replicated(name, region, other, {
          versions: [{ id: 'v0', created: ago(40), labels: ['AWSCURRENT'] }],
        }),
      ),
    near: (name, { region, other }) => only(replicated(name, region, other)),
  },
  'replica-unseen': {
    hit: (name, { region, other }) => only(replicated(name, region, other, { held: false })),
    near: (name, { region, other }) => only(replicated(name, region, other)),
  },
  'replica-given-up': {
    hit: (name, { region, other }) =>
      only(
        replicated(
          name,
          region,
          other,
          { status: 'Failed', held: false },
          { [`keyturn:given-up:${other}`]: '2026-11-20 it is down' },
        ),
      ),
    near: (name, { region, other }) =>
      only(
        secret(name, { tags: { ...atHome(region), [`keyturn:given-up:${other}`]: '2026-11-20 it is down' } }),
      ),
  },
  'replica-without-home': {
    hit: (name, { other }) =>
      only(secret(name, { replicas: [{ region: other, status: 'InSync', accessed: dayAgo(1) }] })),
    near: (name, { other }) =>
      only(byService(name, {}, { replicas: [{ region: other, status: 'InSync', accessed: dayAgo(1) }] })),
  },
  'never-read': {
    hit: name => only(unread(secret(name))),
    near: name => only(unread(secret(name, { created: ago(80) }))),
  },
  'not-read': {
    hit: name => only(secret(name, { accessed: dayAgo(92), rotations: [], changed: ago(20) })),
    near: name => only(secret(name, { accessed: dayAgo(80), rotations: [], changed: ago(20) })),
  },
  'read-by-keyturn-alone': {
    hit: (name, { n }) =>
      n % 2
        ? {
            secrets: [secret(name, { accessed: dayAgo(10) })],
            events: [readOf(name, 'keyturn-dev-createSecret', 5)],
          }
        : { parameters: [parameter(`/${name}`)], events: [readOf(`/${name}`, 'keyturn-dev-setSecret', 5)] },
    near: (name, { n }) =>
      n % 2
        ? { secrets: [secret(name, { accessed: dayAgo(10) })], events: [readOf(name, 'shop', 5)] }
        : { secrets: [secret(name, { accessed: dayAgo(9) })] },
  },
  'aws-key': {
    hit: name => only(secret(name)),
    near: name => only(secret(name, { keyId: 'alias/shop' })),
  },
  'plain-string': {
    hit: name => ({
      parameters: [{ name: `/${name}/DB_PASSWORD`, type: 'String' }],
      found: [`plain-string /${name}/DB_PASSWORD`],
    }),
    near: name => ({ parameters: [{ name: `/${name}/password-length`, type: 'String' }] }),
  },
  'outside-paths': {
    hit: name => readParameter(`/${name}`),
    near: name => readParameter(`/${name}/allowed`),
  },
  expires: {
    hit: name => readParameter(`/${name}`, { tier: 'Advanced', policies: ['Expiration'] }),
    near: name => readParameter(`/${name}`, { tier: 'Advanced', policies: ['ExpirationNotification'] }),
  },
  'owner-missing': {
    hit: name => only(secret(name, { tags: { 'keyturn:managed': 'true', 'keyturn:every': '30d' } })),
    near: name =>
      only(secret(name, { tags: { 'keyturn:managed': 'true', 'keyturn:every': '30d', owner: 'shop' } })),
  },
  'open-to-everybody': {
    hit: name => only(secret(name, { policy: allow('*') })),
    near: name => only(secret(name, { policy: allow('*', { Action: 'secretsmanager:DescribeSecret' }) })),
  },
  'open-to-account': {
    hit: (name, { n }) =>
      n % 2
        ? only(secret(name, { policy: allow(stranger) }))
        : readParameter(`/${name}`, {
            tier: 'Advanced',
            resourcePolicies: [allow(stranger, { Action: 'ssm:GetParameter' })],
          }),
    near: name => only(secret(name, { policy: allow({ AWS: `arn:aws:iam::${ACCOUNT}:role/shop` }) })),
  },
  'open-to-organisation': {
    hit: name => only(secret(name, { policy: allow('*', organisation) })),
    near: name =>
      only(
        secret(name, {
          policy: {
            Statement: [
              ...allow('*', organisation).Statement,
              { Effect: 'Deny', Principal: '*', Action: 'secretsmanager:*', Resource: '*' },
            ],
          },
        }),
      ),
  },
  'open-to-service': {
    hit: name => only(secret(name, { policy: allow({ Service: 'backup.amazonaws.com' }) })),
    near: name => only(secret(name, { policy: allow({ AWS: ACCOUNT }) })),
  },
  // Only the first Region has an analyzer, which decides unclear policies and names who may read.
  'open-unclear': {
    hit: (name, { region }) => ({
      secrets: [
        secret(name, { policy: allow('*', { Condition: { Bool: { 'aws:ViaAWSService': 'true' } } }) }),
      ],
      found: region === HERE ? [] : [`open-unclear ${name}`],
    }),
    near: name => only(secret(name)),
  },
  exposed: {
    hit: (name, { region }) => ({
      secrets: [
        secret(name, {
          policy: allow({ AWS: `arn:aws:iam::${ACCOUNT}:root` }),
          ...(region === HERE && { exposedTo: '999999999999' }),
        }),
      ],
      found: region === HERE ? [`exposed ${name}`] : [],
    }),
    near: name => only(secret(name, { policy: allow({ AWS: `arn:aws:iam::${ACCOUNT}:root` }) })),
  },
}

function unread({ accessed: _, ...secret }: DeclaredSecret): DeclaredSecret {
  return secret
}

/** What the policy of this fleet requires beside the defaults. */
export const policy: Policy = {
  ...DEFAULT_POLICY,
  adminUses: 2,
  sections: [
    { for: { prefix: 'aws-key/' }, customerKey: true },
    { for: { prefix: '/outside-paths/hit' }, parameterPaths: ['/elsewhere/'] },
    { for: { prefix: '/outside-paths/near' }, parameterPaths: ['/outside-paths/'] },
    { for: { prefix: 'function-elsewhere/near' }, trustedAccounts: ['222222222222'] },
  ],
}

const functions = [
  { name: 'idle', state: 'Inactive' },
  { name: 'other' },
  { name: 'old', runtime: 'nodejs18.x' },
  { name: 'aging', runtime: 'nodejs22.x' },
]

/** How often each rule's credentials are planted in a Region. */
const TIMES = 3

/** The account, and the findings that an audit of it must have: `Region rule name`. */
export function planted(): { regions: Record<string, DeclaredRegion>; found: string[] } {
  minutes = 0
  const found: string[] = []
  const plant = (region: string, other: string): DeclaredRegion => {
    const plants = Object.entries(plantings).flatMap(([rule, { hit, near }]) =>
      Array.from({ length: TIMES }, (_, n) => {
        const place = { region, other, n }
        const [hitName, nearName] = [`${rule}/hit-${n}-${region}`, `${rule}/near-${n}-${region}`]
        const planted = hit(hitName, place)
        const subject = planted.secrets?.[0] ?? planted.parameters?.[0]
        found.push(...(planted.found ?? [`${rule} ${subject?.name}`]).map(each => `${region} ${each}`))
        const nearly = near(nearName, place)
        found.push(...(nearly.found ?? []).map(each => `${region} ${each}`))
        return [planted, nearly]
      }).flat(),
    )
    // The second Region has as many as may be due together, the first one more.
    const together = Array.from({ length: region === HERE ? 21 : 20 }, (_, n) =>
      byService(`same-minute/${n}-${region}`, { schedule: 'cron(0 3 * * ? *)' }),
    )
    return {
      functions,
      secrets: [...plants.flatMap(({ secrets = [] }) => secrets), ...together],
      parameters: plants.flatMap(({ parameters = [] }) => parameters),
      events: plants.flatMap(({ events = [] }) => events),
    }
  }
  const regions = {
    [HERE]: { ...plant(HERE, THERE), stack: true, analyzer: true },
    [THERE]: { ...plant(THERE, HERE), stack: { subscriptions: ['PendingConfirmation'] } },
  }
  found.push(`${HERE} same-minute ${HERE}`, `${THERE} alarms-unheard ${THERE}`)
  return { regions, found: found.sort() }
}
