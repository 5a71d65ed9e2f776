import { Clients } from '../../../cli/clients.ts'
import { type CollectOptions, collect } from '../../../fleet/audit/collect.ts'
import type { CredentialFacts, Facts } from '../../../fleet/audit/facts.ts'
import { Pace } from '../../../fleet/audit/pace.ts'
import { ago, home, moment, peer } from '../../../local/aws/audited/fleet.ts'
import type { AuditedAccount, Declared } from '../../../local/aws/audited.ts'

/** What the SDK is to see of its surroundings, so that it asks this account. */
export const surroundings = ({ url }: Pick<AuditedAccount, 'url'>) => ({
  AWS_ENDPOINT_URL: url,
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_PROFILE: '',
})

/** The facts of the account that the environment names. */
export const gathered = (options: Partial<CollectOptions> = {}): Promise<Facts> =>
  collect(new Clients({ region: home }), {
    ...{ account: '123456789012', stage: 'dev', region: home, pace: new Pace({ factor: 100 }) },
    ...options,
  })

/** Every fact by where it stands; credentials by their names. */
export function flat(facts: Facts): Map<string, string> {
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

export const placeOf = ({ region, name }: CredentialFacts) => `${region} ${name}`

/** Where two audits differ. */
export function differences(one: Facts, other: Facts): string[] {
  const [a, b] = [flat(one), flat(other)]
  return [...new Set([...a.keys(), ...b.keys()])].filter(path => a.get(path) !== b.get(path)).sort()
}

const rotated = (days: number) => ({ began: ago(days), outcome: 'rotated' as const, host: 'db.example.com' })

/** A few credentials, of which each is asked for something else. */
export const few: Declared = {
  moment,
  regions: {
    [home]: {
      secrets: [
        { name: 'kept', rotations: [rotated(3), rotated(33)], replicas: [{ region: peer }] },
        { name: 'by-service', rotation: { everyDays: 30, last: ago(5), next: ago(-25) }, accessed: ago(1) },
        {
          name: 'by-hand',
          changed: ago(10),
          versions: [{ id: 'a', created: ago(50), labels: ['AWSCURRENT'] }],
        },
        { name: 'stuck', pending: ago(4), rotation: { last: ago(9), functionArn: theirs(), everyDays: 9 } },
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
        { name: `/keyturn/pending/tagged/${'a'.repeat(36)}`, changed: ago(1) },
        { name: '/keyturn/pending/tagged/lock', changed: ago(1) },
      ],
      functions: [{ name: 'theirs', runtime: 'python3.9' }],
      events: [{ eventName: 'GetSecretValue', eventTime: ago(2), requestParameters: { secretId: 'kept' } }],
    },
    [peer]: { stack: { subscriptions: ['PendingConfirmation'] }, secrets: [{ name: 'there' }] },
  },
}

function theirs() {
  return `arn:aws:lambda:${home}:123456789012:function:theirs`
}
