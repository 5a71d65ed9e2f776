import type { Event } from '@aws-sdk/client-cloudtrail'
import { expect, test } from 'vitest'
import { readersOf } from '../../../fleet/readers/readersOf.ts'
import { sweepCloudTrail } from '../../../fleet/readers/sweep.ts'
import { account, eventAt, session, trailOf, user } from './trail.ts'

const secretArn = `arn:aws:secretsmanager:eu-west-1:${account}:secret:shop/db-a1B2c3`
const secret = { store: 'secrets-manager', arn: secretArn, name: 'shop/db' } as const
const parameter = (name: string) =>
  ({
    store: 'parameter-store',
    arn: `arn:aws:ssm:eu-west-1:${account}:parameter/${name.replace(/^\//, '')}`,
    name,
  }) as const
const credentials = [
  secret,
  { store: 'secrets-manager', arn: secretArn.replaceAll('shop/db', 'shop/db2'), name: 'shop/db2' } as const,
  parameter('/shop/db'),
  parameter('/shop/far/key'),
  parameter('/shopping/key'),
  parameter('plain'),
]
const ownRoles = new Set(['keyturn-prod-setSecret'])
const alice = `arn:aws:iam::${account}:user/Alice`

async function readersBy(events: Event[]) {
  const { tally } = await sweepCloudTrail(trailOf(events).lookup, {
    moment: '2026-11-30T06:00:00.000Z',
    since: '2026-11-23T06:00:00.000Z',
    deadline: Number.POSITIVE_INFINITY,
  })
  return readersOf(tally, credentials, ownRoles)
}

const at = (minute: number) => `2026-11-30T05:${`${minute}`.padStart(2, '0')}:00.000Z`
const event = (minute: number, eventName: string, requestParameters: object | null, more: object = {}) =>
  eventAt(at(minute), { eventName, requestParameters, ...more })

/** @returns the names of the credentials that one call reads */
async function readOf(eventName: string, requestParameters: object): Promise<string[]> {
  const found = await readersBy([event(1, eventName, requestParameters)])
  for (const readers of found.values())
    expect(readers).toEqual([
      { principal: alice, own: false, reads: 1, denied: 0, first: at(1), last: at(1), sessions: [] },
    ])
  return credentials
    .filter(({ arn }) => found.has(arn))
    .map(({ store, name }) => `${store === 'parameter-store' ? 'parameter' : 'secret'}:${name}`)
}

test.each([
  ['its name', 'shop/db', 'secret:shop/db'],
  ['its ARN', secretArn, 'secret:shop/db'],
  ['its ARN without the end', secretArn.slice(0, -7), 'secret:shop/db'],
  ['the ARN of its replica', secretArn.replace('eu-west-1', 'eu-central-1'), 'secret:shop/db'],
  ['the ARN of another that had its name', secretArn.replace('a1B2c3', 'zzzzzz'), undefined],
  ['the same ARN in another account', secretArn.replace(account, '999988887777'), undefined],
  ['a name that it begins with', 'shop', undefined],
])('a secret is found by %s', async (_, secretId, found) => {
  expect(await readOf('GetSecretValue', { secretId })).toEqual(found ? [found] : [])
})

test('a secret that is named like the ARN of another takes no reads from it', async () => {
  const decoy = { store: 'secrets-manager', arn: `${secretArn}-Zz9Yy8`, name: 'shop/db-a1B2c3' } as const
  const { tally } = await sweepCloudTrail(
    trailOf([event(1, 'GetSecretValue', { secretId: secretArn })]).lookup,
    {
      moment: '2026-11-30T06:00:00.000Z',
      since: '2026-11-23T06:00:00.000Z',
      deadline: Number.POSITIVE_INFINITY,
    },
  )
  for (const order of [
    [secret, decoy],
    [decoy, secret],
  ])
    expect([...readersOf(tally, order, ownRoles).keys()]).toEqual([secretArn])
})

const inStore = (name: string) => `arn:aws:ssm:eu-west-1:${account}:parameter${name}`

test.each([
  ['/shop/db', ['parameter:/shop/db']],
  ['/shop/db:7', ['parameter:/shop/db']],
  ['/shop/db:current', ['parameter:/shop/db']],
  [inStore('/shop/db'), ['parameter:/shop/db']],
  [inStore('/shop/db:7'), ['parameter:/shop/db']],
  [inStore('/shop/db').replace(account, '999988887777'), []],
  ['plain', ['parameter:plain']],
  ['/aws/reference/secretsmanager/shop/db', ['secret:shop/db']],
  ['/aws/reference/secretsmanager/shop/db:AWSPREVIOUS', ['secret:shop/db']],
  [inStore('/aws/reference/secretsmanager/shop/db'), ['secret:shop/db']],
  ['/shop', []],
])('the parameter %s is %j', async (name, found) => {
  expect(await readOf('GetParameter', { name })).toEqual(found)
  expect(await readOf('GetParameters', { names: [name] })).toEqual(found)
})

test('several parameters in one call are a read of each', async () => {
  const names = ['/shop/db', 'plain', '/gone']
  expect(await readOf('GetParameters', { names })).toEqual(['parameter:/shop/db', 'parameter:plain'])
})

test.each([
  ['/shop', false, ['parameter:/shop/db']],
  ['/shop/', false, ['parameter:/shop/db']],
  ['/shop', true, ['parameter:/shop/db', 'parameter:/shop/far/key']],
  ['/', false, ['parameter:plain']],
  [
    '/',
    true,
    ['parameter:/shop/db', 'parameter:/shop/far/key', 'parameter:/shopping/key', 'parameter:plain'],
  ],
  ['/shop/db', true, []],
])('the path %s, recursive: %s, reads %j', async (path, recursive, found) => {
  expect(await readOf('GetParametersByPath', { path, recursive })).toEqual(found)
})

test('the further pages of a path are no further reads', async () => {
  const pages = [{}, { nextToken: 'AAEAAWTrG1Xz' }, { nextToken: 'AAEAAfqeTJBa' }]
  const found = await readersBy(
    pages.map((page, n) => event(n, 'GetParametersByPath', { path: '/shop', ...page })),
  )
  expect(found.get(inStore('/shop/db'))?.map(({ reads }) => reads)).toEqual([1])
})

test('reads by name, by ARN and by its parts are one reader, with its newest sessions', async () => {
  const ids = ['shop/db', secretArn, secretArn.slice(0, -7), 'shop/db', 'shop/db', 'shop/db']
  const found = await readersBy(
    ids.map((secretId, n) =>
      event(n, 'GetSecretValue', { secretId }, { userIdentity: session('app', `i-${n}`) }),
    ),
  )
  expect(found.get(secretArn)).toEqual([
    {
      principal: `arn:aws:iam::${account}:role/app`,
      own: false,
      reads: 6,
      denied: 0,
      first: at(0),
      last: at(5),
      sessions: ['i-5', 'i-4', 'i-3', 'i-2', 'i-1'],
    },
  ])
})

test('refused reads are counted separately, and are not the last read', async () => {
  const denied = { errorCode: 'AccessDenied' }
  const bob = { ...denied, userIdentity: user('Bob') }
  const found = await readersBy([
    event(1, 'GetSecretValue', { secretId: 'shop/db' }),
    event(5, 'GetSecretValue', { secretId: 'shop/db' }, denied),
    event(6, 'GetSecretValue', { secretId: 'shop/db' }, bob),
    event(7, 'GetSecretValue', { secretId: 'shop/db' }, bob),
  ])
  const told = found.get(secretArn)?.map(({ reads, denied, first, last }) => [reads, denied, first, last])
  expect(told).toEqual([
    [1, 1, at(1), at(1)],
    [0, 2, at(6), at(7)],
  ])
})

test('a secret that Keyturn alone reads has readers that are all its own', async () => {
  const own = { userIdentity: session('keyturn-prod-setSecret', 'keyturn-prod-setSecret') }
  const found = await readersBy([event(1, 'GetSecretValue', { secretId: secretArn }, own)])
  expect(found.get(secretArn)?.map(reader => reader.own)).toEqual([true])
})

test('a role with the name of one of Keyturn’s in another account, or a user with it, is not Keyturn’s', async () => {
  const mine = session('keyturn-prod-setSecret', 'x')
  const theirs = JSON.parse(JSON.stringify(mine).replaceAll(account, '999988887777'))
  const found = await readersBy([
    event(1, 'GetSecretValue', { secretId: secretArn }, { userIdentity: theirs }),
    event(2, 'GetSecretValue', { secretId: secretArn }, { userIdentity: user('keyturn-prod-setSecret') }),
  ])
  expect(found.get(secretArn)?.map(reader => reader.own)).toEqual([false, false])
})

test.each([
  ['both services tell', 2, 2, 2],
  ['Parameter Store alone tells', 0, 2, 2],
  ['Secrets Manager alone tells', 2, 0, 2],
])('a read through Parameter Store counts once, if %s', async (_, forwarded, references, reads) => {
  const times = (count: number, make: (minute: number) => Event) =>
    Array.from({ length: count }, (_, n) => make(n))
  const through = { sourceIPAddress: 'ssm.amazonaws.com' }
  const found = await readersBy([
    ...times(forwarded, n => event(n, 'GetSecretValue', { secretId: 'shop/db' }, through)),
    ...times(references, n => event(n, 'GetParameter', { name: '/aws/reference/secretsmanager/shop/db' })),
    event(9, 'GetSecretValue', { secretId: 'shop/db' }),
  ])
  expect(found.get(secretArn)?.map(reader => reader.reads)).toEqual([reads + 1])
})

test('credentials that were read by one path alone share one list, so that thousands cost little', async () => {
  const found = await readersBy([event(1, 'GetParametersByPath', { path: '/', recursive: true })])
  expect(found.get(inStore('/shop/db'))).toBe(found.get(inStore('/shopping/key')))
})
