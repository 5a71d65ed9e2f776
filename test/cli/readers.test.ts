import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type AuditedAccount, type DeclaredEvent, startAuditedAccount } from '../../local/aws/audited.ts'
import { session, user } from '../fleet/readers/trail.ts'
import { commandEnvironment, runCommand } from './account.ts'

// These dates are months from this machine's clock, as only AWS's clock counts.
const moment = '2027-06-15T12:00:00Z'
const at = (hours: number) => new Date(Date.parse(moment) - hours * 3_600_000).toISOString()

const read = (hours: number, more: Partial<DeclaredEvent> = {}): DeclaredEvent => ({
  eventName: 'GetSecretValue',
  eventTime: at(hours),
  requestParameters: { secretId: 'shop/db' },
  userIdentity: session('shop', 'i-0abc', '/apps/'),
  ...more,
})
const denied = { errorCode: 'AccessDenied', userIdentity: user('Mallory\u202e') }
const own = { userIdentity: session('keyturn-dev-setSecret', 'keyturn-dev-setSecret') }

let account: AuditedAccount
beforeAll(async () => {
  account = await startAuditedAccount({
    moment,
    regions: {
      'eu-west-1': {
        stack: { roles: ['keyturn-dev-setSecret'] },
        secrets: [
          { name: 'shop/db', replicas: [{ region: 'eu-central-1' }] },
          { name: 'quiet', replicas: [] },
        ],
        parameters: [{ name: '/shop/key' }],
        events: [
          read(1),
          read(2, { userIdentity: session('shop', 'i-0def', '/apps/') }),
          read(3, denied),
          read(4, own),
          read(5, { requestParameters: { secretId: 'another' } }),
          read(24 * 8),
          read(6, { requestParameters: { secretId: 'quiet' }, ...own }),
          { ...read(7), eventName: 'GetParametersByPath', requestParameters: { path: '/shop' } },
          ...Array.from({ length: 60 }, (_, n) => read(48 + n, { requestParameters: { secretId: 'other' } })),
        ],
      },
      'eu-central-1': {
        events: [
          read(30, { userIdentity: user('Bob') }),
          read(31, { requestParameters: { omitted: true, reason: 'it was too long' } }),
        ],
      },
    },
  })
})
afterAll(() => account?.stop())
beforeEach(() => {
  account.refuse()
  account.calls.length = 0
})

const keyturn = (...words: string[]) => runCommand(words, commandEnvironment(account.url))

test('says who read a secret in each Region that has it, with refused reads and Keyturn’s apart', async () => {
  expect(await keyturn('readers', 'shop/db')).toEqual({
    code: 0,
    stderr: '1 event could not be parsed.\n',
    stdout: `secret:shop/db in eu-west-1, since 2027-06-08 12:00 UTC:
  arn:aws:iam::123456789012:role/apps/shop
    2 reads, 2027-06-15 10:00 UTC to 2027-06-15 11:00 UTC
    as i-0abc, i-0def
  refused:
  arn:aws:iam::123456789012:user/Mallory
    1 refused attempt, 2027-06-15 09:00 UTC
  Keyturn itself:
  arn:aws:iam::123456789012:role/keyturn-dev-setSecret
    1 read, 2027-06-15 08:00 UTC
    as keyturn-dev-setSecret
secret:shop/db in eu-central-1, since 2027-06-08 12:00 UTC:
  arn:aws:iam::123456789012:user/Bob
    1 read, 2027-06-14 06:00 UTC
`,
  })
})

test('a parameter that was read by its path was read', async () => {
  const { code, stdout } = await keyturn('readers', '/shop/key')
  expect(stdout).toMatch(/^parameter:\/shop\/key in eu-west-1, .*\n {2}arn:.*role\/apps\/shop\n {4}1 read, /)
  expect(code).toBe(0)
})

test('as JSON it is one document, and reads no value', async () => {
  const { stdout } = await keyturn('readers', 'shop/db', '--json', '--since', '1d')
  const { store, since, regions } = JSON.parse(stdout)
  expect([store, since.slice(0, 16)]).toEqual(['secrets-manager', '2027-06-14T12:00'])
  expect(regions).toMatchObject([
    { region: 'eu-west-1', completeSince: since, unreadable: 0, readers: [{ reads: 2 }, {}, {}] },
    { region: 'eu-central-1', arn: account.arnOf('eu-central-1', 'shop/db'), readers: [], unreadable: 0 },
  ])
  const actions = new Set(account.calls.map(({ action }) => action))
  expect([...actions].sort()).toEqual(
    ['DescribeParameters', 'DescribeSecret', 'DescribeStacks', 'ListStackResources', 'LookupEvents'].sort(),
  )
})

test('a Region that cannot be asked is named, and the other one is reported', async () => {
  account.refuse(({ action, region }) =>
    action === 'LookupEvents' && region === 'eu-central-1'
      ? { name: 'AccessDeniedException', message: 'not you' }
      : undefined,
  )
  const { code, stdout } = await keyturn('readers', 'secret:shop/db')
  expect(stdout).toMatch(/role\/apps\/shop\n/)
  expect(stdout).toMatch(/in eu-central-1: not known: CloudTrail refuses LookupEvents: not you\n$/)
  expect(code).toBe(0)
})

/** Has CloudTrail answer so many calls, and refuse all others. */
const answers = (most: number) => {
  const calls = () => account.calls.filter(({ action }) => action === 'LookupEvents').length
  account.refuse(({ action }) =>
    action === 'LookupEvents' && calls() > most ? { name: 'ThrottlingException' } : undefined,
  )
  return runCommand(['readers', 'secret:quiet'], commandEnvironment(account.url, { AWS_MAX_ATTEMPTS: '1' }))
}

test('it says if only Keyturn reads a secret, and since when this is known if CloudTrail stops answering', async () => {
  const { code, stdout, stderr } = await answers(3)
  expect(stdout).toMatch(
    /^secret:quiet in eu-west-1, since 2027-06-\d\d \d\d:\d\d UTC:\n {2}no one except Keyturn read the value\n {2}Keyturn itself:\n/,
  )
  expect(stdout).not.toMatch(/since 2027-06-08/)
  expect(stderr).toMatch(
    /^The list does not go back to 2027-06-08 12:00 UTC, as CloudTrail did not answer any more \(ThrottlingException\)\./,
  )
  expect(stderr).not.toContain('--budget')
  expect(code).toBe(0)
})

test('without events, nothing is known about reads', async () => {
  expect(await answers(1)).toEqual({
    code: 1,
    stderr: '',
    stdout:
      'secret:quiet in eu-west-1: not known: CloudTrail did not answer any more (ThrottlingException)\n',
  })
})

test('if CloudTrail has not even the reads by rotations, no secret is called unread', async () => {
  const rotations = [30, 24 * 9, 0.1].map(hours => ({
    ...{ began: at(hours + 0.1), ended: at(hours), outcome: 'rotated' as const },
  }))
  const silent = async (more: object) => {
    const regions = {
      'eu-west-1': { stack: {}, secrets: [{ name: 'a' }, { name: 'b', ...more }], events: [] },
    }
    const account = await startAuditedAccount({ moment, regions })
    const ask = () => runCommand(['readers', 'secret:a'], commandEnvironment(account.url))
    const told = await ask()
    account.refuse(({ action }) => (action === 'Scan' ? { name: 'AccessDeniedException' } : undefined))
    const refused = await ask()
    await account.stop()
    return { told, refused }
  }
  // One rotation is in the window and long enough ago.
  const rotating = await silent({ rotations })
  expect(rotating.told).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(
      /^secret:a in eu-west-1: not known: CloudTrail tells of no read at all, although 1 rotation ended there meanwhile/,
    ),
  })
  expect(rotating.refused.stdout).toMatch(
    /: not known: CloudTrail tells of no read at all, and whether any rotation/,
  )
  const quiet = await silent({ rotations: rotations.slice(1) })
  expect(quiet.told).toMatchObject({ code: 0, stdout: expect.stringContaining('  no one read the value\n') })
})

test('if no Region can be asked, only the reason is printed', async () => {
  account.refuse(({ action }) => (action === 'LookupEvents' ? { name: 'AccessDeniedException' } : undefined))
  const { code, stdout, stderr } = await keyturn('readers', 'secret:quiet')
  expect([code, stdout]).toEqual([3, ''])
  expect(stderr).toMatch(/^keyturn: CloudTrail refuses LookupEvents/)
})

test('a question that CloudTrail cannot answer is wrong use', async () => {
  const { code, stderr } = await keyturn('readers', 'shop/db', '--since', '91d')
  expect([code, stderr]).toEqual([2, expect.stringMatching(/the last 90 days only\n.*docs\/readers\.md/)])
})
