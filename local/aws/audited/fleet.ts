import type { DeclaredAccount, DeclaredParameter, DeclaredSecret } from './declared.ts'

export const AUDIT_TIME = '2026-11-30T12:00:00Z'
export const [HOME_REGION, PEER_REGION] = ['eu-west-1', 'eu-central-1']

/** So many days before the moment. */
export const daysAgo = (days: number) => new Date(Date.parse(AUDIT_TIME) - days * 86_400_000).toISOString()

/** A fleet of so many secrets and as many parameters, of which each rotates once a month. */
export function declareFleet(size: number, rotations = 3): DeclaredAccount {
  const rotationsOf = (n: number) =>
    Array.from({ length: rotations }, (_, i) => ({
      ...{ began: daysAgo(1 + (n % 28) + i * 28), outcome: 'rotated' as const, strategy: 'single-user' },
      ...{ engine: 'postgres', host: `db-${n % 50}.example.com`, user: `app_${n}` },
    }))
  const secret = (n: number): DeclaredSecret => ({
    ...{ name: `fleet/team-${n % 20}/db-${n}`, tags: { team: `team-${n % 20}`, 'keyturn:managed': 'true' } },
    policy: {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Deny', Principal: '*', Action: '*', Sid: `${n}` }],
    },
    ...(n % 2 === 0 && { rotation: { everyDays: 30, last: daysAgo(1 + (n % 28)), next: daysAgo(-2) } }),
    ...(n % 10 === 0 && { replicas: [{ region: PEER_REGION }] }),
    rotations: rotationsOf(n),
  })
  const parameter = (n: number): DeclaredParameter => ({
    ...{
      name: `/fleet/team-${n % 20}/key-${n}`,
      tags: { team: `team-${n % 20}` },
      rotations: rotationsOf(n),
    },
  })
  const all = Array.from({ length: size }, (_, n) => n)
  return {
    moment: AUDIT_TIME,
    regions: {
      [HOME_REGION]: { secrets: all.map(secret), parameters: all.map(parameter) },
      [PEER_REGION]: { stack: true },
    },
  }
}
