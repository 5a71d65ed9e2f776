import { DAY_MS } from '../../../rotation/timeUnits.ts'
import type { DeclaredAccount, DeclaredParameter, DeclaredSecret } from './declared.ts'

/** What AWS's clock shows in the fleet's account. */
export const AUDIT_TIME = '2026-11-30T12:00:00Z'
/** The Region that has the fleet's credentials, and the one that has its replicas. */
export const [HOME_REGION, PEER_REGION] = ['eu-west-1', 'eu-central-1']

/** The time so many days before AUDIT_TIME, as ISO 8601. */
export const daysAgo = (days: number) => new Date(Date.parse(AUDIT_TIME) - days * DAY_MS).toISOString()

/**
 * Declares an account with `size` secrets and as many parameters, each rotated every 28 days.
 * @param rotations how many records of rotations each credential has
 */
export function declareFleet(size: number, rotations = 3): DeclaredAccount {
  const rotationsOf = (n: number) =>
    Array.from({ length: rotations }, (_, i) => ({
      began: daysAgo(1 + (n % 28) + i * 28),
      outcome: 'rotated' as const,
      strategy: 'single-user',
      engine: 'postgres',
      host: `db-${n % 50}.example.com`,
      user: `app_${n}`,
    }))
  const secret = (n: number): DeclaredSecret => ({
    name: `fleet/team-${n % 20}/db-${n}`,
    tags: { team: `team-${n % 20}`, 'keyturn:managed': 'true' },
    policy: {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Deny', Principal: '*', Action: '*', Sid: `${n}` }],
    },
    ...(n % 2 === 0 && { rotation: { everyDays: 30, last: daysAgo(1 + (n % 28)), next: daysAgo(-2) } }),
    ...(n % 10 === 0 && { replicas: [{ region: PEER_REGION }] }),
    rotations: rotationsOf(n),
  })
  const parameter = (n: number): DeclaredParameter => ({
    name: `/fleet/team-${n % 20}/key-${n}`,
    tags: { team: `team-${n % 20}` },
    rotations: rotationsOf(n),
  })
  const numbers = Array.from({ length: size }, (_, n) => n)
  return {
    moment: AUDIT_TIME,
    regions: {
      [HOME_REGION]: { secrets: numbers.map(secret), parameters: numbers.map(parameter) },
      [PEER_REGION]: { stack: true },
    },
  }
}
