import type { Facts, ParameterFacts, RegionFacts, SecretFacts } from '../../../fleet/audit/facts.ts'

export const moment = '2026-11-30T06:00:00.000Z'
export const account = '123456789012'

const arnOf = (service: string, region: string, rest: string) =>
  `arn:aws:${service}:${region}:${account}:${rest}`
export const rotateSecretIn = (region: string) =>
  arnOf('lambda', region, 'function:keyturn-prod-rotateSecret')

/** @returns a primary secret that nothing rotates, under the key that AWS manages */
export function secret(name: string, more: Partial<SecretFacts> = {}): SecretFacts {
  const { region = 'us-east-1' } = more
  return {
    store: 'secrets-manager',
    region,
    name,
    arn: arnOf('secretsmanager', region, `secret:${name}-AbCdEf`),
    tags: { is: {} },
    created: '2026-01-01T00:00:00.000Z',
    policy: { is: undefined },
    history: { is: { rotations: [] } },
    readers: [],
    rotation: { enabled: false },
    labels: {},
    pendingSince: { is: undefined },
    replicas: { is: [] },
    ...more,
  }
}

/** The rotation settings of a secret that Secrets Manager rotates with this stack's function. */
export const scheduled = (days: number, region = 'us-east-1') => ({
  rotation: { enabled: true, functionArn: rotateSecretIn(region), everyDays: days },
})

export function parameter(name: string, more: Partial<ParameterFacts> = {}): ParameterFacts {
  const { region = 'us-east-1' } = more
  return {
    store: 'parameter-store',
    region,
    name,
    arn: arnOf('ssm', region, `parameter${name}`),
    tags: { is: {} },
    policy: { is: undefined },
    history: { is: { rotations: [] } },
    readers: [],
    type: 'SecureString',
    tier: 'Standard',
    changed: '2026-01-01T00:00:00.000Z',
    policies: [],
    pendingSince: { is: undefined },
    ...more,
  }
}

/** A Region with a stack, without facts from CloudTrail. */
export const region = (name: string, more: Partial<RegionFacts> = {}): RegionFacts => ({
  stack: { is: { name: 'keyturn-prod', version: '0.1.0', rotateSecret: rotateSecretIn(name), roles: [] } },
  secrets: { is: 'all' },
  parameters: { is: 'all' },
  functions: {},
  exposed: { is: undefined },
  sweep: { unread: 'it was not asked for' },
  subscribers: { is: 1 },
  ...more,
})
export const noStack = { stack: { is: undefined }, subscribers: { is: undefined } } as const

export const fleet = (
  credentials: Facts['credentials'],
  regions: Facts['regions'] = { 'us-east-1': region('us-east-1', noStack) },
): Facts => ({
  moment,
  account,
  stage: 'prod',
  region: Object.keys(regions)[0] ?? 'us-east-1',
  regions,
  credentials,
  days: { is: [] },
})

/** @returns a list of so many, each made from its number */
export const many = <Made>(count: number, make: (name: string, number: number) => Made): Made[] =>
  Array.from({ length: count }, (_, number) => make(`app/${number}`, number))
