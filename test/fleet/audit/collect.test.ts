import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Facts, SecretFacts } from '../../../fleet/audit/facts.ts'
import { daysAgo, HOME_REGION, PEER_REGION } from '../../../local/aws/audited/fleet.ts'
import { type AuditedAccount, startAuditedAccount } from '../../../local/aws/audited.ts'
import {
  awsEnvironment,
  differingPaths,
  fewCredentials,
  gatherFacts,
} from '../../support/audit/gatherFacts.ts'

const reads = { windowMs: 7 * 86_400_000, budgetMs: 60_000 }
const secret = (facts: Facts, name: string, region = HOME_REGION) =>
  facts.credentials.find(each => each.name === name && each.region === region) as SecretFacts

let account: AuditedAccount
let usual: Facts

beforeAll(async () => {
  account = await startAuditedAccount(fewCredentials)
  for (const [name, value] of Object.entries(awsEnvironment(account))) vi.stubEnv(name, value)
  usual = await gatherFacts({ reads })
})
afterEach(() => {
  account.refuse()
  account.delay()
  account.shuffle()
  vi.useRealTimers()
})
afterAll(() => account?.stop())

describe('facts', () => {
  test('the time of an audit is that of AWS’s clock', () => {
    expect(usual.moment).toBe('2026-11-30T12:00:00.000Z')
  })

  test('each credential is listed once for each Region that has it, without Keyturn’s own parameters', () => {
    expect(usual.credentials.map(({ region, name }) => `${region} ${name}`)).toEqual([
      ...[
        `${PEER_REGION} kept`,
        `${PEER_REGION} there`,
        `${HOME_REGION} /tagged`,
        `${HOME_REGION} /untagged`,
      ],
      ...[
        `${HOME_REGION} by-hand`,
        `${HOME_REGION} by-service`,
        `${HOME_REGION} far`,
        `${HOME_REGION} kept`,
        `${HOME_REGION} stuck`,
      ],
    ])
    expect(secret(usual, 'kept', PEER_REGION).primaryRegion).toBe(HOME_REGION)
    expect(secret(usual, 'kept').primaryRegion).toBeUndefined()
  })

  test('in a Region that only a replica names, only replicas are read', () => {
    expect(usual.regions['us-east-1']).toMatchObject({
      secrets: { is: 'replicas' },
      parameters: { is: 'none' },
    })
    expect(secret(usual, 'far').replicas).toEqual({
      is: [{ region: 'us-east-1', status: 'Failed', message: 'no key' }],
    })
  })

  test('the date of a version is read only if nothing else has it', () => {
    expect(secret(usual, 'by-hand').current).toEqual({ at: daysAgo(50), by: 'version' })
    expect(secret(usual, 'by-service').current).toEqual({ at: daysAgo(5), by: 'last-rotated' })
    const asked = account.calls.filter(({ action }) => action === 'ListSecretVersionIds')
    expect(asked.map(({ resource }) => resource?.split(':').at(-1)?.slice(0, -7)).toSorted()).toEqual([
      ...['by-hand', 'far', 'stuck', 'there'],
    ])
  })

  test('what is pending of a secret and of a parameter is known by its date', () => {
    expect(secret(usual, 'stuck').pendingSince).toEqual({ is: daysAgo(4) })
    expect(secret(usual, 'kept').pendingSince).toEqual({ is: undefined })
    expect(secret(usual, '/tagged').pendingSince).toEqual({ is: daysAgo(1) })
    expect(secret(usual, '/untagged').pendingSince).toEqual({ is: undefined })
  })

  test('the table has the rotations of each credential, the newest first, and their number for each day', () => {
    const { history } = secret(usual, 'kept')
    expect('is' in history && history.is.rotations.map(({ began }) => began)).toEqual([
      daysAgo(3),
      daysAgo(33),
    ])
    expect(secret(usual, 'by-hand').history).toEqual({ is: { rotations: [] } })
    expect(usual.days).toEqual({
      is: [33, 3, 2].map(days => ({
        ...{ day: daysAgo(days).slice(0, 10), rotated: 1, failed: 0, medianMilliseconds: 4000 },
      })),
    })
  })

  test('if CloudTrail has no read although rotations read, no credential is called unread', async () => {
    const silent = await startAuditedAccount({
      ...fewCredentials,
      regions: {
        ...fewCredentials.regions,
        [HOME_REGION]: { ...fewCredentials.regions[HOME_REGION], events: [] },
      },
    })
    for (const [name, value] of Object.entries(awsEnvironment(silent))) vi.stubEnv(name, value)
    const { regions } = await gatherFacts({ reads })
    for (const [name, value] of Object.entries(awsEnvironment(account))) vi.stubEnv(name, value)
    await silent.stop()
    expect(regions[HOME_REGION]?.sweep).toEqual({
      unread: expect.stringMatching(/although 2 rotations ended there/),
    })
    expect(regions[PEER_REGION]?.sweep).toMatchObject({ is: { events: 0 } })
  })

  test('the facts have tags, functions, policies, exposed credentials, subscribers and roles', () => {
    expect(secret(usual, '/tagged').tags).toEqual({ is: { team: 'blue' } })
    expect(secret(usual, '/untagged').tags).toEqual({ is: {} })
    const { functions, exposed, subscribers, stack } = usual.regions[HOME_REGION] as Facts['regions'][string]
    expect(Object.values(functions)).toMatchObject([
      { is: { runtime: 'nodejs24.x' } },
      { is: { runtime: 'python3.9', state: 'Active' } },
    ])
    expect('is' in exposed && Object.values(exposed.is ?? {})).toEqual(['everybody'])
    expect(subscribers).toEqual({ is: 1 })
    expect(usual.regions[PEER_REGION]?.subscribers).toEqual({ is: 0 })
    expect('is' in stack && stack.is?.roles).toContain('keyturn-dev-findDue')
    expect(secret(usual, 'far').policy).toEqual({ is: '{"Statement":[]}' })
  })

  test('resource policies are read only of parameters that can be shared', () => {
    expect(secret(usual, '/tagged').policy).toEqual({ is: '{"Statement":[{"Sid":"1"},{"Sid":"2"}]}' })
    expect(secret(usual, '/untagged').policy).toEqual({ is: undefined })
    const asked = account.calls.filter(({ action }) => action === 'GetResourcePolicies')
    expect([...new Set(asked.map(({ resource }) => resource))]).toEqual([
      account.arnOf(HOME_REGION, '/tagged'),
    ])
  })

  test('readers come from CloudTrail, up to the time of the audit', () => {
    expect(secret(usual, 'kept').readers).toMatchObject([{ reads: 1, own: false, first: daysAgo(2) }])
    expect(usual.regions[HOME_REGION]?.sweep).toMatchObject({ is: { events: 1, completeSince: daysAgo(7) } })
  })

  test('no call reads a value', () => {
    expect(new Set(account.calls.map(({ service, action }) => `${service} ${action}`))).toEqual(
      new Set([
        ...[
          'secretsmanager ListSecrets',
          'secretsmanager DescribeSecret',
          'secretsmanager GetResourcePolicy',
        ],
        ...['secretsmanager ListSecretVersionIds', 'ssm DescribeParameters', 'tagging GetResources'],
        'ssm GetResourcePolicies',
        ...['cloudformation DescribeStacks', 'cloudformation ListStackResources', 'cloudtrail LookupEvents'],
        ...[
          'lambda GetFunctionConfiguration',
          'access-analyzer ListAnalyzers',
          'access-analyzer ListFindings',
        ],
        ...['sns ListSubscriptionsByTopic', 'dynamodb Scan'],
      ]),
    )
  })
})

describe('the facts do not change with', () => {
  test('the order of pages', async () => {
    account.shuffle('otherwise')
    expect(await gatherFacts({ reads })).toEqual(usual)
  })

  test('answers that come late, in another order', async () => {
    account.delay(({ action }) => action.length * 2)
    expect(await gatherFacts({ reads })).toEqual(usual)
  })

  test('a first try that is throttled or fails with a server error', async () => {
    const tried = new Map<string, number>()
    account.refuse(({ region, action, resource }) => {
      const key = `${region} ${action} ${resource}`
      tried.set(key, (tried.get(key) ?? 0) + 1)
      if ((tried.get(key) ?? 0) > 1) return undefined
      return action.length % 2 ? { name: 'ThrottlingException' } : { name: 'InternalFailure', status: 500 }
    })
    expect(await gatherFacts({ reads })).toEqual(usual)
  }, 30_000)

  test("this machine's clock", async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(daysAgo(-400)) })
    expect(await gatherFacts({ reads })).toEqual(usual)
    vi.setSystemTime(Date.parse(daysAgo(400)))
    expect(await gatherFacts({ reads })).toEqual(usual)
  })

  test('a secret that was deleted since it was listed, which is left out', async () => {
    account.refuse(({ action, resource }) =>
      action === 'DescribeSecret' && resource?.includes('by-hand')
        ? { name: 'ResourceNotFoundException' }
        : undefined,
    )
    const facts = await gatherFacts({ reads })
    expect(secret(facts, 'by-hand')).toBeUndefined()
    expect(differingPaths(usual, facts).every(path => path.startsWith(`${HOME_REGION} by-hand `))).toBe(true)
  })
})

describe('a persistent error leaves only what depends on it unread', () => {
  const all = ['by-hand', 'by-service', 'far', 'kept', 'stuck'].map(name => `${HOME_REGION} ${name}`)
  const parameters = ['/tagged', '/untagged'].map(name => `${HOME_REGION} ${name}`)
  const far = Object.keys({
    stack: 1,
    secrets: 1,
    parameters: 1,
    functions: 1,
    exposed: 1,
    subscribers: 1,
    sweep: 1,
  })
  const cases: [action: string, changed: string[]][] = [
    ['GetResourcePolicy', [...all.map(name => `${name} policy`), `${PEER_REGION} kept policy`]],
    ['DescribeSecret', [...all.map(name => `${name} replicas`), ...far.map(name => `us-east-1 ${name}`)]],
    [
      'ListSecretVersionIds',
      [`${HOME_REGION} by-hand current`, `${HOME_REGION} far current`, `${HOME_REGION} stuck pendingSince`],
    ],
    ['GetResourcePolicies', [`${HOME_REGION} /tagged policy`]],
    ['GetResources', parameters.map(name => `${name} tags`)],
    ['GetFunctionConfiguration', [`${HOME_REGION} functions`]],
    ['ListAnalyzers', [`${HOME_REGION} exposed`]],
    ['ListFindings', [`${HOME_REGION} exposed`]],
    ['ListSubscriptionsByTopic', [`${HOME_REGION} subscribers`]],
    ['ListStackResources', [`${HOME_REGION} stack`]],
    ['LookupEvents', [`${HOME_REGION} sweep`, `${HOME_REGION} kept readers`]],
    [
      'Scan',
      [...[...all, ...parameters].map(name => `${name} history`), ...['days', `${HOME_REGION} kept current`]],
    ],
  ]

  test.each(cases)('%s', async (action, changed) => {
    account.refuse(call =>
      call.action === action && call.region === HOME_REGION ? { name: 'AccessDeniedException' } : undefined,
    )
    const facts = await gatherFacts({ reads })
    expect(differingPaths(usual, facts)).toEqual(changed.toSorted())
    expect(JSON.stringify(facts)).toContain(`${action}: AccessDenied`)
  })

  test.each([
    ['ListSecrets', 'secrets', ['kept', 'there']],
    ['DescribeParameters', 'parameters', ['/tagged', '/untagged']],
  ])('%s', async (action, list, names) => {
    const region = action === 'ListSecrets' ? PEER_REGION : HOME_REGION
    account.refuse(call =>
      call.action === action && call.region === region ? { name: 'AccessDeniedException' } : undefined,
    )
    const facts = await gatherFacts({ reads })
    for (const name of names) expect(secret(facts, name, region)).toBeUndefined()
    expect(facts.regions[region]).toMatchObject({
      [list]: { unread: expect.stringContaining(`${action}: AccessDenied`) },
    })
    const about = names.map(name => `${region} ${name} `)
    const others = differingPaths(usual, facts).filter(path => !about.some(name => path.startsWith(name)))
    expect(others).toEqual([`${region} ${list}`])
  })

  test('one secret that may not be read affects no other', async () => {
    account.refuse(({ action, resource }) =>
      action === 'GetResourcePolicy' && resource?.includes('stuck')
        ? { name: 'AccessDeniedException' }
        : undefined,
    )
    expect(differingPaths(usual, await gatherFacts({ reads }))).toEqual([`${HOME_REGION} stuck policy`])
  })

  test('a table that does not exist is reported with the name of the error', async () => {
    account.refuse(({ action }) => (action === 'Scan' ? { name: 'ResourceNotFoundException' } : undefined))
    expect((await gatherFacts()).days).toEqual({ unread: 'DynamoDB Scan: ResourceNotFoundException' })
  })

  test('if a peer’s stack may not be read, its table is unknown', async () => {
    account.refuse(({ action, region }) =>
      action === 'DescribeStacks' && region === PEER_REGION
        ? { name: 'AccessDenied', status: 403 }
        : undefined,
    )
    expect(differingPaths(usual, await gatherFacts({ reads }))).toEqual([
      ...['days', `${PEER_REGION} kept history`, `${PEER_REGION} stack`, `${PEER_REGION} subscribers`],
      // No read was seen there, and it is not known whether a rotation should have caused one.
      ...[`${PEER_REGION} sweep`, `${PEER_REGION} there history`],
    ])
  })

  test('a Region that is not enabled for the account is unknown, and the audit goes on', async () => {
    account.refuse(({ region }) =>
      region === PEER_REGION ? { name: 'UnrecognizedClientException' } : undefined,
    )
    const facts = await gatherFacts({ reads })
    expect(facts.regions[PEER_REGION]).toMatchObject({
      secrets: { unread: 'Secrets Manager ListSecrets: UnrecognizedClientException' },
    })
    expect(secret(facts, 'kept')).toBeDefined()
    account.refuse(({ action }) =>
      action === 'GetResourcePolicy' ? { name: 'UnrecognizedClientException' } : undefined,
    )
    await expect(gatherFacts({ reads })).rejects.toMatchObject({ name: 'UnrecognizedClientException' })
  })

  test('credentials that have expired end the audit', async () => {
    account.refuse(({ action }) =>
      action === 'GetResourcePolicy' ? { name: 'ExpiredTokenException' } : undefined,
    )
    await expect(gatherFacts({ reads })).rejects.toMatchObject({ name: 'ExpiredTokenException' })
  })
})

test('an audit that was stopped after any unit and resumed has the same facts, and repeats no call', async () => {
  const countAll = async () => {
    const kept = new Map<string, string>()
    await gatherFacts({
      reads,
      keptAnswers: {
        take: () => undefined,
        keep: (unit, found) => void kept.set(unit, JSON.stringify(found)),
      },
    })
    return kept.size
  }
  const units = await countAll()
  expect(units).toBeGreaterThan(30)
  for (let stop = 0; stop < units; stop += 7) {
    const kept = new Map<string, string>()
    const keep = (unit: string, found: unknown) => {
      if (kept.size >= stop) throw new Error('killed')
      kept.set(unit, JSON.stringify(found))
    }
    await expect(gatherFacts({ reads, keptAnswers: { take: () => undefined, keep } })).rejects.toThrow(
      'killed',
    )
    const missing = new Set<string>()
    const take = (unit: string) => {
      const found = kept.get(unit)
      return found === undefined ? undefined : JSON.parse(found)
    }
    const facts = await gatherFacts({ reads, keptAnswers: { take, keep: unit => void missing.add(unit) } })
    expect(facts).toEqual(usual)
    expect(missing.size).toBe(units - stop)
  }
}, 60_000)
