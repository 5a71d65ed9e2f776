import { Clients } from '../../../cli/clients.ts'
import { type CollectOptions, collectFacts } from '../../../fleet/audit/collect.ts'
import type { CredentialFacts, Facts } from '../../../fleet/audit/facts.ts'
import { RateLimiter } from '../../../fleet/audit/rateLimiter.ts'
import { AUDIT_TIME, daysAgo, HOME_REGION, PEER_REGION } from '../../../local/aws/audited/fleet.ts'
import type { AuditedAccount, DeclaredAccount } from '../../../local/aws/audited.ts'

/** The environment variables by which the SDK calls this account. */
export const awsEnvironment = ({ url }: Pick<AuditedAccount, 'url'>) => ({
  AWS_ENDPOINT_URL: url,
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_PROFILE: '',
})

/** Collects the facts of the account to which the environment points. */
export const gatherFacts = (options: Partial<CollectOptions> = {}): Promise<Facts> =>
  collectFacts(new Clients({ region: HOME_REGION }), {
    ...{ account: '123456789012', stage: 'dev', region: HOME_REGION },
    rateLimiter: new RateLimiter({ factor: 100 }),
    ...options,
  })

/** @returns every fact as JSON, by its path, such as "eu-west-1 kept tags" */
export function factsByPath(facts: Facts): Map<string, string> {
  const found = new Map<string, string>()
  const put = (path: string, value: unknown) => found.set(path, JSON.stringify(value) ?? 'undefined')
  const { regions, credentials, ...rest } = facts
  for (const [name, value] of Object.entries(rest)) put(name, value)
  for (const [region, all] of Object.entries(regions))
    for (const [name, value] of Object.entries(all)) put(`${region} ${name}`, value)
  for (const credential of credentials)
    for (const [name, value] of Object.entries(credential)) put(`${placeOf(credential)} ${name}`, value)
  return found
}

/** @returns Region and name of a credential, such as "eu-west-1 kept" */
export const placeOf = ({ region, name }: CredentialFacts) => `${region} ${name}`

/** @returns the paths of the facts that differ between two audits */
export function differingPaths(one: Facts, other: Facts): string[] {
  const [a, b] = [factsByPath(one), factsByPath(other)]
  return [...new Set([...a.keys(), ...b.keys()])].filter(path => a.get(path) !== b.get(path)).sort()
}

const rotated = (days: number) => ({
  began: daysAgo(days),
  outcome: 'rotated' as const,
  host: 'db.example.com',
})

/** An account with a few credentials, each for another call of the audit. */
export const fewCredentials: DeclaredAccount = {
  moment: AUDIT_TIME,
  regions: {
    [HOME_REGION]: {
      secrets: [
        { name: 'kept', rotations: [rotated(3), rotated(33)], replicas: [{ region: PEER_REGION }] },
        {
          name: 'by-service',
          rotation: { everyDays: 30, last: daysAgo(5), next: daysAgo(-25) },
          accessed: daysAgo(1),
        },
        {
          name: 'by-hand',
          changed: daysAgo(10),
          versions: [{ id: 'a', created: daysAgo(50), labels: ['AWSCURRENT'] }],
        },
        {
          name: 'stuck',
          pending: daysAgo(4),
          rotation: { last: daysAgo(9), functionArn: theirs(), everyDays: 9 },
        },
        {
          name: 'far',
          replicas: [{ region: 'us-east-1', status: 'Failed', message: 'no key', held: false }],
          policy: { Statement: [] },
          exposedTo: '*',
        },
      ],
      parameters: [
        {
          name: '/tagged',
          tier: 'Advanced',
          resourcePolicies: [{ Statement: { Sid: '1' } }, { Statement: [{ Sid: '2' }] }],
          tags: { team: 'blue' },
          rotations: [rotated(2)],
        },
        { name: '/untagged', type: 'String' },
        { name: `/keyturn/pending/tagged/${'a'.repeat(36)}`, changed: daysAgo(1) },
        { name: '/keyturn/pending/tagged/lock', changed: daysAgo(1) },
        // A discarded value, which is kept for a while without a lock.
        { name: `/keyturn/pending/untagged/${'b'.repeat(36)}`, changed: daysAgo(3) },
      ],
      functions: [{ name: 'theirs', runtime: 'python3.9' }],
      events: [
        { eventName: 'GetSecretValue', eventTime: daysAgo(2), requestParameters: { secretId: 'kept' } },
      ],
    },
    [PEER_REGION]: { stack: { subscriptions: ['PendingConfirmation'] }, secrets: [{ name: 'there' }] },
  },
}

function theirs() {
  return `arn:aws:lambda:${HOME_REGION}:123456789012:function:theirs`
}
