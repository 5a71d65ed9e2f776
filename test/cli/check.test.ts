import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { runCheckCommand } from '../../cli/commands/check.ts'
import { CommandError } from '../../cli/exit.ts'
import { Output } from '../../cli/output.ts'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import type { CheckLine } from '../../rotation/check/line.ts'
import {
  type Account,
  commandEnvironment,
  runCommand,
  stackOf,
  startAccount,
  stubEnvironment,
} from './account.ts'
import {
  checkReportOf,
  Failure,
  type PlayedExecutions,
  playExecutions,
  stackOutputs,
} from './playedExecutions.ts'
import { terminalContext } from './terminal.ts'

let secretsManager: SecretsManagerServer
let account: Account
let played: PlayedExecutions
beforeAll(async () => {
  secretsManager = await startSecretsManager()
  account = await startAccount({ secretsManager: secretsManager.url })
  process.setMaxListeners(100)
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }
  const secrets = new SecretsManagerClient({ endpoint: secretsManager.url, region: 'eu-west-1', credentials })
  for (const Name of ['shop/database', 'shop/other'])
    await secrets.send(new CreateSecretCommand({ Name, SecretString: 'Hidden-1', Tags: tagged('managed') }))
  await secrets.send(new CreateSecretCommand({ Name: 'shop/foreign', SecretString: 'Hidden-1' }))
  await secrets.send(
    new CreateSecretCommand({ Name: 'shop/admin', SecretString: 'Hidden-1', Tags: tagged('admin') }),
  )
})
afterAll(async () => {
  account?.stop()
  await secretsManager?.stop()
})
beforeEach(() => {
  stubEnvironment(account.url)
  account.stacks.splice(0, 9, stackOf('local', stackOutputs))
  account.parameters.clear()
  account.refuse()
  account.sent.length = 0
  played = playExecutions(account)
})
afterEach(() => vi.unstubAllEnvs())

const tagged = (name: string) => [{ Key: `keyturn:${name}`, Value: 'true' }]

async function keyturn(ids: string[], json = false) {
  const { printed, context } = terminalContext(undefined, json)
  try {
    return { code: await runCheckCommand(context, ids), ...printed }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    return { code: error.code, ...printed, err: `${error.message}\n${error.remedy}` }
  }
}

const warning: CheckLine = { line: 'tls', state: 'warning', says: 'ends in 9 days', remedy: 'Renew it.' }
const failed: CheckLine = {
  ...{ line: 'login', state: 'failed', says: 'the server refuses user shop', error: 'LoginRefused' },
}
const skipped: CheckLine = { line: 'admin', state: 'not-looked-at', says: 'as login failed' }

test('prints each line, and that a rotation would succeed; the execution gets only store and id', async () => {
  const { code, out, err } = await keyturn(['shop/database'])
  expect([code, err]).toEqual([0, ''])
  expect(out).toBe(
    [
      'ok        tags: the tags are ones that Keyturn knows',
      'ok        value: engine, host, username and password are there',
      'ok        login: user shop logs in',
      'A rotation (single-user, user shop, on db.example.com:5432) would go well.',
      '',
    ].join('\n'),
  )
  expect(played.inputs).toEqual([
    { machine: 'check', input: { store: 'secrets-manager', id: 'shop/database' } },
  ])
})

test('only warnings end with 0, a failed line with 5; each has its remedy below it', async () => {
  played.check = input => checkReportOf(input, warning)
  const warned = await keyturn(['shop/database'])
  expect(warned.code).toBe(0)
  expect(warned.out).toMatch(
    /^warning {3}tls: ends in 9 days\n {10}Renew it\.\n.*would go well; look at the warning of tls\.$/m,
  )
  played.check = input => checkReportOf(input, failed, skipped)
  const { code, out } = await keyturn(['shop/database'])
  expect(code).toBe(5)
  // The line has no remedy of its own, so that of the runbook is shown.
  expect(out).toMatch(
    /^failed {9}login: the server refuses user shop\n {15}Store the password that the database has/m,
  )
  expect(out).toMatch(
    /^not looked at {2}admin: as login failed\n.*would fail at login\. Nothing was changed\.$/m,
  )
})

test('several credentials are listed by name, the worst decides the exit code, and --json is one document', async () => {
  account.parameters.set('/shop/mail', { 'keyturn:managed': 'true' })
  played.check = input =>
    input.id === 'shop/other' ? new Failure('Throttled', 'too many requests') : checkReportOf(input, warning)
  const ids = ['shop/database', 'secret:shop/database', 'shop/other', '/shop/mail']
  const { code, out, err } = await keyturn(ids)
  expect(code).toBe(1)
  expect(out.match(/^(shop\/database|\/shop\/mail)$/gm)).toEqual(['shop/database', '/shop/mail'])
  expect(err).toMatch(
    /^keyturn: shop\/other: there is no result: Throttled: too many requests\nRotate again later/,
  )
  const { checks } = JSON.parse((await keyturn(ids, true)).out)
  expect(checks).toMatchObject([
    {
      store: 'secrets-manager',
      id: 'shop/database',
      result: 'warning',
      lines: [{}, {}, {}, warning],
      exitCode: 0,
    },
    { id: 'shop/other', says: expect.stringContaining('Throttled'), exitCode: 1 },
    { store: 'parameter-store', id: '/shop/mail', exitCode: 0 },
  ])
})

test('a credential that is not enrolled gets the advice to enrol, and no execution', async () => {
  account.parameters.set('/shop/foreign', {})
  const { code, out, err } = await keyturn(['shop/foreign', '/shop/foreign', 'shop/admin'])
  expect([code, out]).toEqual([5, ''])
  expect(err).toMatch(
    /^keyturn: shop\/foreign: it is not enrolled\nTo enrol it: keyturn enrol secret:shop\/foreign\n/,
  )
  expect(err).toContain('keyturn enrol parameter:/shop/foreign\n')
  expect(err).toMatch(/shop\/admin: it is an admin's secret, and not enrolled itself\nCheck the secrets/)
  expect(played.inputs).toEqual([])
})

test('lines that were not checked for the same reason become one line, and all begin in one column', async () => {
  const missed = (line: CheckLine['line'], says = 'something before it failed'): CheckLine => ({
    ...{ line, state: 'not-looked-at', says },
  })
  played.check = input =>
    checkReportOf(input, failed, missed('pooler'), missed('connections'), missed('admin', 'no time'))
  const { out } = await keyturn(['shop/database'])
  expect(out.split('\n').slice(2)).toEqual([
    'failed         login: the server refuses user shop',
    expect.stringMatching(/^ {15}Store the password/),
    'not looked at  pooler, connections: something before it failed',
    'not looked at  admin: no time',
    expect.stringMatching(/^A rotation/),
    '',
  ])
})

test('text of the function cannot move the cursor, and is cut if long', async () => {
  played.check = input => checkReportOf(input, { ...failed, says: `\u001b[2Jgone\n${'x'.repeat(5000)}` })
  const { out } = await keyturn(['shop/database'])
  expect(out).not.toContain('\u001b')
  expect(out.match(/x+/)?.[0].length).toBeLessThan(1001)
})

test.each<[string, unknown, RegExp]>([
  ['no result', {}, /its output cannot be parsed/],
  ['no lines', { result: 'ok', lines: 7 }, /its output cannot be parsed/],
])('an output with %s is reported', async (_, output, says) => {
  played.check = () => output as object
  expect(await keyturn(['shop/database'])).toMatchObject({ code: 1, err: expect.stringMatching(says) })
})

test.each<[string, Parameters<Account['refuse']>[0], number, RegExp]>([
  [
    'refuses the start',
    action => (action === 'StartExecution' ? { name: 'AccessDeniedException' } : undefined),
    3,
    /Step Functions refuses StartExecution/,
  ],
  [
    'refuses the look',
    action => (action === 'DescribeExecution' ? { name: 'AccessDeniedException' } : undefined),
    3,
    /cannot be read: Step Functions refuses DescribeExecution/,
  ],
  [
    'knows no such secret, and refuses to say so',
    action => (action === 'DescribeSecret' ? { name: 'AccessDeniedException' } : undefined),
    2,
    /there is no secret shop\/none in the account 123456789012, eu-west-1\n/,
  ],
])('AWS %s', async (what, rule, code, says) => {
  account.refuse(rule)
  const ran = await keyturn([what.startsWith('knows') ? 'secret:shop/none' : 'shop/database'])
  expect(ran).toMatchObject({ code, err: expect.stringMatching(says) })
})

test('a refusal by AWS is reported', async () => {
  account.refuse(action => (action === 'DescribeSecret' ? { name: 'AccessDeniedException' } : undefined))
  expect(await keyturn(['secret:shop/database'])).toMatchObject({
    code: 3,
    err: expect.stringMatching(/refuses DescribeSecret/),
  })
})

test('a stack without the function is reported, and nothing is started', async () => {
  account.stacks.splice(0, 9, stackOf('local'))
  expect(await keyturn(['shop/database'])).toMatchObject({
    code: 2,
    err: expect.stringMatching(/has no output CheckStateMachineArn: it is older.*\nDeploy it again/),
  })
  expect(played.inputs).toEqual([])
})

test('Ctrl-C ends the wait, which has said that a function may take some time', async () => {
  played.hangs = true
  const { code, stderr } = await runCommand(
    ['check', 'shop/database'],
    commandEnvironment(account.url),
    async child => {
      child.stderr.once('data', () => child.kill('SIGINT'))
    },
  )
  expect(code).toBe(4)
  expect(stderr).toMatch(
    /^still waiting: a function that was idle for weeks.*\nkeyturn: shop\/database: stopped waiting\n/,
  )
}, 30_000)

test.each([40, 80])('on a terminal of %d columns long lines continue under their text', async columns => {
  const { printed, context } = terminalContext(undefined, false)
  const stdout = { isTTY: true, columns, write: (text: string) => (printed.out += text) }
  Object.assign(context, { output: new Output(stdout, stdout, { TERM: 'dumb' }) })
  played.check = input => checkReportOf(input, warning, failed, skipped)
  await runCheckCommand(context, ['shop/database'])
  for (const line of printed.out.split('\n')) expect(line.length).toBeLessThanOrEqual(columns)
  if (columns === 40)
    expect(printed.out).toContain(
      `ok${' '.repeat(13)}tags: the tags are ones\n${' '.repeat(15)}that Keyturn knows\n`,
    )
})
