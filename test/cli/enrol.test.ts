import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { EnrolOptions } from '../../cli/commands/enrol.ts'
import type { CheckLine } from '../../rotation/check/line.ts'
import { commandEnvironment, functionArn, runCommand, stackOf } from './account.ts'
import {
  failedLine,
  officialFunctionArn,
  rotationRules,
  setUpEnrolment,
  singleUserOptions,
  unseenLine,
  warningLine,
} from './enrolmentSetup.ts'
import { checkReportOf, Failure } from './playedExecutions.ts'

const { world, secret, describeSecret, tagsOf, turnedBy, changes, keyturn, back } = setUpEnrolment()
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyturn-enrol-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('enrolling', () => {
  test('first sets only the tag managed, then the strategy, then checks, and sets the interval last', async () => {
    const { name } = await secret()
    const more = { window: '02:00-05:00', testQuery: 'TABLE t' }
    const { code, out, err } = await keyturn(name, { ...singleUserOptions, ...more })
    expect(code).toBe(0)
    expect(changes()).toEqual([
      'TagResource keyturn:managed=true',
      'StartExecution check',
      'TagResource keyturn:strategy=single-user keyturn:test-query=TABLE t',
      'StartExecution check',
      'TagResource keyturn:every=30d keyturn:window=02:00-05:00',
    ])
    expect(err).toMatch(
      new RegExp(
        `^secret:${name}: 5 calls\\n  secretsmanager:TagResource  secret:${name}  keyturn:managed=true\\n`,
      ),
    )
    expect(out).toMatch(/: tagged keyturn:managed=true\n.*: tagged keyturn:strategy=single-user/)
    expect(out).toMatch(/^ok {8}login: user shop logs in$/m)
    expect(out).toMatch(/^ok {2}secret:\S+: enrolled: single-user, every 30d within 02:00-05:00$/m)
  })

  test('the same again changes nothing, and another interval changes only the interval', async () => {
    const { name } = await secret()
    await keyturn(name, singleUserOptions)
    world.account.sent.length = 0
    expect(await keyturn(name, singleUserOptions)).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(/already enrolled like this/),
    })
    expect(changes()).toEqual([])
    expect(await keyturn(name, { every: '7d', yes: true })).toMatchObject({ code: 0 })
    expect(changes()).toEqual(['StartExecution check', 'TagResource keyturn:every=7d'])
  })

  test('with a schedule of Secrets Manager sets the rotation function, and does not rotate at once', async () => {
    const { name, arn } = await secret({ 'keyturn:every': '30d', 'keyturn:window': '02:00-05:00' })
    const options: EnrolOptions = {
      strategy: 'single-user',
      schedule: 'rate(30 days)',
      duration: '2h',
      yes: true,
    }
    expect((await keyturn(name, options)).code).toBe(0)
    expect(changes().slice(-3)).toEqual([
      'StartExecution check',
      'UntagResource keyturn:every keyturn:window',
      'RotateSecret now=false',
    ])
    expect(await turnedBy(arn)).toEqual({
      by: functionArn,
      rules: { ScheduleExpression: 'rate(30 days)', Duration: '2h' },
    })
    world.account.sent.length = 0
    expect(await keyturn(name, options)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/already enrolled like this: single-user, rate/),
    })
    expect(changes()).toEqual([])
  })

  test('a parameter sets its tags', async () => {
    world.account.parameters.set('/shop/mail', { team: 'x' })
    expect(await keyturn('/shop/mail', singleUserOptions)).toMatchObject({ code: 0 })
    expect(world.account.parameters.get('/shop/mail')).toEqual({
      ...{ team: 'x', 'keyturn:managed': 'true', 'keyturn:strategy': 'single-user', 'keyturn:every': '30d' },
    })
  })

  test('sets the strategy before it stores an admin in the value, and tags the admin', async () => {
    const { name } = await secret()
    const admin = await secret()
    const strategy = 'alternating-users'
    let refusals = 1
    world.played.setAdmin = ({ store, id }) =>
      refusals-- > 0 ? new Failure('NotPermitted', 'not yet') : { store, id, outcome: 'set' }
    const { code, out, err } = await keyturn(name, { ...singleUserOptions, strategy, admin: admin.arn })
    expect(code).toBe(0)
    expect(out.match(/waiting until IAM has seen the new tag/g)).toHaveLength(1)
    expect(out).toContain(`${name}: the admin ${admin.name}: tagged keyturn:admin=true\n`)
    expect(err).toMatch(
      /set-admin adds masterarn=arn:.* to the value, and nothing else; that counts as a change by hand/,
    )
    expect(changes().slice(2, 5)).toEqual([
      'TagResource keyturn:strategy=alternating-users',
      'TagResource keyturn:admin=true',
      'StartExecution set-admin',
    ])
    expect(world.played.inputs[1]).toEqual({
      machine: 'set-admin',
      input: { store: 'secrets-manager', id: name, admin: admin.arn },
    })
    expect(await tagsOf(admin.arn)).toEqual({ 'keyturn:admin': 'true' })
  })

  test('waits until IAM sees the tag, for a limited time', async () => {
    const { name, arn } = await secret()
    let refusals = 1
    world.played.check = input => checkReportOf(input, ...(refusals-- > 0 ? [unseenLine] : []))
    const { code, out } = await keyturn(name, singleUserOptions)
    expect([code, out]).toEqual([0, expect.stringMatching(/: waiting until IAM has seen the new tag\n/)])
    expect(await tagsOf(arn)).toMatchObject({ 'keyturn:every': '30d' })
  })

  test('--now begins a rotation: by an execution, or by Secrets Manager under its token', async () => {
    const { name } = await secret()
    const { out } = await keyturn(name, { ...singleUserOptions, now: true }, undefined, true)
    expect(JSON.parse(out).credentials).toMatchObject([
      {
        id: name,
        result: 'enrolled',
        execution: expect.stringMatching(/:keyturn-local-rotate:/),
        exitCode: 0,
      },
    ])
    expect(changes().at(-1)).toBe('StartExecution rotate')
    const other = await secret()
    const schedule = { strategy: 'single-user', schedule: 'rate(30 days)', now: true, yes: true } as const
    const told = JSON.parse((await keyturn(other.name, schedule, undefined, true)).out).credentials[0]
    expect(changes().at(-1)).toBe('RotateSecret now=true')
    const { VersionIdsToStages = {} } = await describeSecret(other.arn)
    const pending = Object.keys(VersionIdsToStages).find(id => VersionIdsToStages[id]?.includes('AWSPENDING'))
    expect(told.execution.endsWith(`:${pending}`)).toBe(true)
  })
})

test('--grace with a single user prints that it has no effect', async () => {
  const { name } = await secret()
  const { out } = await keyturn(name, { ...singleUserOptions, grace: '2h', dryRun: true })
  expect(out).toMatch(/--grace 2h has no effect with single-user: the old password is refused/)
})

test('--now shows the rotation to its end, after the report', async () => {
  const { name } = await secret()
  Object.assign(world.stepFunctions.tasks, {
    CreateSecret: () => {
      throw Object.assign(new Error('createSecret: no'), { name: 'InvalidOption' })
    },
    DiscardSecret: () => null,
    AnnounceFailure: () => ({}),
  })
  const { code, out, err } = await keyturn(name, { ...singleUserOptions, now: true })
  expect(code).toBe(1)
  expect(out).toMatch(/^ok {2}secret:\S+: enrolled: single-user, every 30d$/m)
  expect(err).toMatch(
    /: The rotation failed; the application is unharmed\. InvalidOption: createSecret: no\n/,
  )
  expect((await keyturn(name, { ...singleUserOptions, now: true })).out).toMatch(
    /already enrolled like this: .*; it rotates now\n/,
  )
})

describe('at a terminal', () => {
  test('asks for missing options, repeats the question after a wrong answer, shows the calls, and asks to confirm', async () => {
    const { name, arn } = await secret()
    const answers = ['9', '1', 'weekly', 'rate(3days)', '', '2-5', '02:00-05:00', 'yes']
    const { code, err } = await keyturn(name, {}, answers)
    expect(code).toBe(0)
    expect(err).toMatch(
      /1 single-user: one user;.*\n[\s\S]*Strategy, by its number or name \[single-user\]: 9/,
    )
    expect(err).toMatch(
      /There is no such strategy: type a number from 1 to 5, or a name\.\n[\s\S]*How often, .*\[30d\]: /,
    )
    expect(err).toMatch(
      /\nIt should be a whole number with m, h or d, such as 30d; a minute at least, a year/,
    )
    expect(err).toMatch(/\nIt should be rate\(…\) of hours or days, or cron/)
    expect(err).toMatch(/\nIt should be hours of the day, an hour at least/)
    expect(err).not.toMatch(/--(every|schedule|window)/)
    expect(await tagsOf(arn)).toEqual({
      ...{ 'keyturn:managed': 'true', 'keyturn:strategy': 'single-user' },
      ...{ 'keyturn:every': '30d', 'keyturn:window': '02:00-05:00' },
    })
  })

  test('asks for an admin and a grace time of two users', async () => {
    const [{ name, arn }, admin] = [await secret(), await secret({ 'keyturn:admin': 'true' })]
    expect(
      await keyturn(name, {}, [
        ...['alternating-users', 'shop/admn', name, admin.name, '2 hours', '2h'],
        ...['rate(30 days)', '2', '2h', 'y'],
      ]),
    ).toMatchObject({
      code: 0,
      err: expect.stringMatching(
        /there is no [\s\S]*shop\/admn[\s\S]*was named as its own admin\.\n[\s\S]*the stack's default, which is 24h[\s\S]*\nIt should be `never`, or[\s\S]*\nIt should be a number of hours/,
      ),
    })
    expect(await tagsOf(arn)).toMatchObject({
      'keyturn:strategy': 'alternating-users',
      'keyturn:grace': '2h',
    })
    expect(world.played.inputs[1]?.input.admin).toBe(admin.arn)
    expect(await turnedBy(arn)).toMatchObject({ by: functionArn })
  })

  test.each([['no'], ['']])('%j at the end changes nothing', async answer => {
    const { name } = await secret()
    expect(await keyturn(name, { ...singleUserOptions, yes: undefined as never }, answer)).toMatchObject({
      code: 2,
    })
    expect(changes()).toEqual([])
  })

  test('asks whether to go on after warnings, and no undoes everything', async () => {
    const { name, arn } = await secret({ team: 'x' })
    world.played.check = input => checkReportOf(input, warningLine)
    const { strategy, every } = singleUserOptions
    const { code, out, err } = await keyturn(name, { strategy, every } as EnrolOptions, ['yes', 'no'])
    expect([code, await tagsOf(arn)]).toEqual([2, { team: 'x' }])
    expect(out).toMatch(/^warning {3}tls: ends in 9 days/m)
    expect(err).toMatch(/its warnings were not confirmed\n {2}Undone: keyturn:strategy, keyturn:managed\.\n$/)
    expect((await keyturn(name, singleUserOptions)).code).toBe(0)
  })
})

test('without a terminal, a missing option is named', async () => {
  const { name } = await secret()
  expect(await keyturn(name, {})).toMatchObject({
    code: 2,
    err: expect.stringMatching(
      /options are missing for .*: --strategy, --every or --schedule\nGive --strategy and --every or --schedule/,
    ),
  })
  expect(await keyturn(name, { strategy: 'single-user', every: '30d' })).toMatchObject({
    code: 2,
    err: expect.stringMatching(/no terminal[\s\S]*To confirm it without a question: --yes\./),
  })
  world.account.parameters.set('/any', { 'keyturn:engine': 'opaque' })
  expect((await keyturn('/any', { every: '30d', yes: true })).code).toBe(0)
  expect(world.account.parameters.get('/any')).toMatchObject({ 'keyturn:strategy': 'single-user' })
})

test('--dry-run shows the calls and makes none', async () => {
  const { name } = await secret()
  const { code, out } = await keyturn(name, { ...singleUserOptions, dryRun: true })
  expect(code).toBe(0)
  expect(out).toMatch(
    /: 5 calls\n.*TagResource[\s\S]*keyturn-local-check checks .*changes nothing\n[\s\S]*keyturn:every=30d\n/,
  )
  expect(changes()).toEqual([])
})

describe('when the check fails', () => {
  test('for a reason that no tag can correct, it stops and removes the tag', async () => {
    const { name, arn } = await secret()
    world.played.check = input => checkReportOf(input, failedLine)
    const { code, out, err } = await keyturn(name, singleUserOptions)
    expect(code).toBe(1)
    expect(world.played.inputs).toHaveLength(1)
    expect(out).toMatch(/^failed {4}login: the server refuses user shop\n {10}Store its password\./m)
    expect(err).toMatch(/: its check has failed at login\n {2}Undone: keyturn:managed\.\n$/)
    expect(`${out}${err}`).not.toMatch(/Nothing was changed|would go well\.|refuses user[\s\S]*refuses user/)
    const json = await keyturn(name, singleUserOptions, undefined, true)
    expect(JSON.parse(json.out).credentials).toMatchObject([
      { says: 'its check has failed at login: the server refuses user shop', remedy: 'Store its password.' },
    ])
    expect(await tagsOf(arn)).toEqual({})
  })

  test('for a wrong strategy, it goes on to set the right one', async () => {
    const { name, arn } = await secret({ 'keyturn:strategy': 'dual-password' })
    const wrong: CheckLine = {
      line: 'value',
      state: 'failed',
      says: 'not for postgres',
      error: 'InvalidOption',
    }
    let checks = 0
    world.played.check = input => checkReportOf(input, ...(checks++ === 0 ? [wrong] : []))
    expect((await keyturn(name, singleUserOptions)).code).toBe(0)
    expect(await tagsOf(arn)).toMatchObject({ 'keyturn:strategy': 'single-user', 'keyturn:every': '30d' })
  })

  test.each<[string, CheckLine, RegExp]>([
    [
      'an admin that is not named',
      {
        line: 'value',
        state: 'failed',
        says: "masterarn: should be the ARN of the admin's secret",
        error: 'InvalidCredential',
      },
      /the admin's secret\n +Name the admin's secret by --admin NAME, or choose another --strategy\./,
    ],
    [
      'a strategy that the engine does not have',
      {
        line: 'value',
        state: 'failed',
        says: 'keyturn:strategy: should be single-user',
        error: 'InvalidOption',
      },
      /should be single-user\n +Choose another --strategy\./,
    ],
  ])('%s is reported with the option that corrects it', async (_, line, says) => {
    const { name, arn } = await secret()
    let checks = 0
    world.played.check = input => checkReportOf(input, ...(checks++ ? [line] : []))
    const { code, out } = await keyturn(name, { ...singleUserOptions, strategy: 'alternating-users' })
    expect([code, out]).toEqual([1, expect.stringMatching(says)])
    expect(await tagsOf(arn)).toEqual({})
  })

  test('the tags are as they were before', async () => {
    const before = { 'keyturn:managed': 'true', 'keyturn:strategy': 'single-user', 'keyturn:every': '30d' }
    const { name, arn } = await secret(before)
    world.played.check = input => checkReportOf(input, { ...failedLine, line: 'admin' })
    expect(
      (await keyturn(name, { ...singleUserOptions, strategy: 'alternating-users', grace: '2h' })).code,
    ).toBe(1)
    expect(await tagsOf(arn)).toEqual(before)
  })

  test.each([
    ['set', { 'keyturn:strategy': 'alternating-users' }],
    ['already', {}],
  ])('if the admin was %s, the strategy is kept or removed', async (outcome, left) => {
    const [{ name, arn }, admin] = [await secret(), await secret()]
    world.played.setAdmin = ({ store, id }) => ({ store, id, outcome })
    world.played.check = input => checkReportOf(input, { ...failedLine, line: 'privileges' })
    const { code, err } = await keyturn(name, {
      ...singleUserOptions,
      strategy: 'alternating-users',
      admin: admin.name,
    })
    expect(code).toBe(1)
    expect(await tagsOf(arn)).toEqual(left)
    expect(await tagsOf(admin.arn)).toEqual({})
    if (outcome === 'set') expect(err).toMatch(/keyturn:strategy stays: the value names an admin now/)
  })

  test('for a refused admin, it leaves no change', async () => {
    const [{ name, arn }, admin] = [await secret(), await secret()]
    world.played.setAdmin = () => new Failure('HostMismatch', 'another host')
    expect(
      await keyturn(name, { ...singleUserOptions, strategy: 'alternating-users', admin: admin.name }),
    ).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /: the value does not name this admin: HostMismatch: another host\nMake the admin's secret.*, then enrol again\./,
      ),
    })
    expect([await tagsOf(arn), await tagsOf(admin.arn)]).toEqual([{}, {}])
  })
})

describe('a secret that another function rotates', () => {
  test('is taken over with its schedule or Keyturn’s, and unenrol restores the function', async () => {
    for (const options of [
      singleUserOptions,
      { strategy: 'single-user', schedule: 'rate(30 days)', yes: true } as const,
    ]) {
      const { name, arn } = await secret({}, officialFunctionArn)
      const { code, err } = await keyturn(name, options)
      expect(code).toBe(0)
      expect(err).toMatch(
        /Today Secrets Manager rotates it with SecretsManagerRDSPostgreSQLRotationMultiUser, an AWS template by its name, cron\(0 2 \? \* SUN \*\), within 3h/,
      )
      expect(await tagsOf(arn)).toMatchObject({ 'keyturn-before': officialFunctionArn })
      expect(await turnedBy(arn)).toEqual(
        'every' in options ? undefined : { by: functionArn, rules: { ScheduleExpression: 'rate(30 days)' } },
      )
      const gone = await back(name)
      expect(gone).toMatchObject({
        code: 0,
        err: expect.stringMatching(/Secrets Manager rotates it again with SecretsManagerRDS/),
      })
      expect([await tagsOf(arn), await turnedBy(arn)]).toEqual([
        {},
        { by: officialFunctionArn, rules: rotationRules },
      ])
    }
  })

  test('keeps that function if the check fails', async () => {
    const { name, arn } = await secret({}, officialFunctionArn)
    world.played.check = input => checkReportOf(input, failedLine)
    expect((await keyturn(name, singleUserOptions)).code).toBe(1)
    expect([await tagsOf(arn), await turnedBy(arn)]).toEqual([
      {},
      { by: officialFunctionArn, rules: rotationRules },
    ])
  })

  test('needs no confirmation of the check’s warning about it, as the enrolment ends it', async () => {
    const { name, arn } = await secret({}, officialFunctionArn)
    const says = 'Secrets Manager rotates it by another function'
    const remedy = 'Enrol it by `keyturn enrol`.'
    world.played.check = input => checkReportOf(input, { line: 'tags', state: 'warning', says, remedy })
    const { strategy, every } = singleUserOptions
    const { code, out } = await keyturn(name, { strategy, every } as EnrolOptions, ['yes', 'no'])
    expect([code, out]).toEqual([0, expect.stringMatching(/another function\n +Enrolling ends that now/)])
    expect(out).not.toContain(remedy)
    expect(await turnedBy(arn)).toBeUndefined()
  })

  test('at a terminal is proposed for two users, by the name of its function', async () => {
    const { name } = await secret({}, officialFunctionArn)
    const { err } = await keyturn(name, {}, ['', '', '', '', '', 'no'])
    expect(err).toMatch(/name \[alternating-users\]: /)
  })
})

describe('what cannot be enrolled is refused before any change', () => {
  test.each<[string, object, EnrolOptions, RegExp]>([
    ['a replica', { PrimaryRegion: 'us-east-1' }, {}, /is a replica here/],
    [
      'a secret of RDS',
      { OwningService: 'rds' },
      {},
      /belongs to rds, which rotates it by itself\nRDS rotates it/,
    ],
    [
      'a secret of any service',
      { OwningService: 'appflow' },
      {},
      /belongs to appflow.*\nLeave the rotation to that/,
    ],
    ["a partner's secret", { Type: 'SalesforceClientSecret' }, {}, /is a secret of SalesforceClientSecret/],
    ['one to be deleted', { DeletedDate: 1_800_000_000 }, {}, /marked for deletion/],
    [
      'one at home elsewhere',
      { Tags: [{ Key: 'keyturn:home', Value: 'us-east-1' }] },
      {},
      /keyturn:home says us-east-1/,
    ],
    [
      'one with a tag that is wrong',
      { Tags: [{ Key: 'keyturn:evry', Value: '1d' }] },
      {},
      /its tag keyturn:evry: is no option/,
    ],
    ['an interval that is none', {}, { every: 'weekly' }, /^--every: should be a whole number/],
    ['an interval that is too long', {}, { every: '366d' }, /a year at most\nSuch as --every 30d\./],
    [
      'a rate that AWS would refuse',
      {},
      { every: undefined as never, schedule: 'rate(3days)' },
      /^--schedule rate\(3days\): it should be rate/,
    ],
    [
      'a cron of five fields',
      {},
      { every: undefined as never, schedule: 'cron(0 2 ? * SUN)' },
      /with six fields/,
    ],
    ['a grace time that is none', {}, { grace: '2 hours' }, /^--grace: should be/],
    [
      'a query that no tag can hold',
      {},
      { testQuery: "SELECT 'x'" },
      /--test-query: it has "'", which a tag cannot hold/,
    ],
    ['two schedules', {}, { schedule: 'rate(1 day)' }, /--every and --schedule were given/],
    [
      'any text by two users',
      { Tags: [{ Key: 'keyturn:engine', Value: 'opaque' }] },
      { strategy: 'dual-password' },
      /--strategy: should be single-user/,
    ],
    [
      'an admin for any text',
      { Tags: [{ Key: 'keyturn:engine', Value: 'opaque' }] },
      { admin: 'x' },
      /cannot use an admin/,
    ],
  ])('%s', async (_, more, options, says) => {
    const { name } = await secret()
    world.account.secrets.set(name, more)
    expect(await keyturn(name, { ...singleUserOptions, ...options })).toMatchObject({
      code: 2,
      err: expect.stringMatching(says),
    })
    expect(changes()).toEqual([])
  })

  test('a secret as its own admin, a parameter as an admin, and a schedule of Secrets Manager for a parameter', async () => {
    const { name, arn } = await secret()
    world.account.parameters.set('/shop/mail', {})
    const strategy = 'alternating-users'
    expect((await keyturn(name, { ...singleUserOptions, strategy, admin: arn })).err).toMatch(
      /named as its own admin/,
    )
    const [one, two] = [await secret({ 'keyturn:admin': 'true' }), await secret()]
    expect((await keyturn(one.name, { ...singleUserOptions, strategy, admin: two.arn })).err).toMatch(
      /is an admin's secret itself/,
    )
    expect((await keyturn(name, { ...singleUserOptions, strategy, admin: '/shop/mail' })).err).toMatch(
      /an admin has to be a secret/,
    )
    const schedule = { strategy: 'single-user', schedule: 'rate(1 day)', yes: true } as const
    expect((await keyturn('/shop/mail', schedule)).err).toMatch(/a parameter has no schedule/)
    world.account.stacks.splice(0, 9, stackOf('local'))
    expect((await keyturn(name, singleUserOptions)).err).toMatch(/has no output CheckStateMachineArn/)
    expect(changes()).toEqual([])
  })
})

describe('--from', () => {
  const from = async (name: string, text: string) => {
    const path = join(folder, name)
    await writeFile(path, text)
    return path
  }

  test('names a wrong line by file and number, and changes nothing', async () => {
    const { name } = await secret()
    for (const [file, text, says] of [
      [
        'a.csv',
        `id,strategy,every\n${name},single-user,30d\nother,two-users,30d\n`,
        /a\.csv: line 3: --strategy: should be one of/,
      ],
      ['b.csv', `id,often\n${name},30d\n`, /b\.csv: line 2 has an unknown field often/],
      ['c.csv', `id,every\n${name}\n`, /line 2 has 1 cells, and the head 2/],
      ['d.json', `[{"id":"${name}"},{"id":7}]`, /d\.json: entry 2 has no id/],
      ['e.jsonl', `{"id":"${name}"}\n{"id":\n`, /e\.jsonl: line 2 is no JSON/],
      ['f.csv', `id\n${name}\n${name}\n`, /line 3 has the id of line 2/],
      ['g.csv', 'id\n', /it names no credential/],
    ] as const)
      expect(await keyturn(undefined, { ...singleUserOptions, from: await from(file, text) })).toMatchObject({
        code: 2,
        err: expect.stringMatching(says),
      })
    expect(changes()).toEqual([])
  })

  test('goes on after one that fails or cannot be enrolled, and names all in the preview and the report', async () => {
    const [well, ill, managed] = [await secret(), await secret(), await secret()]
    world.account.secrets.set(managed.name, { OwningService: 'rds' })
    world.played.check = input => checkReportOf(input, ...(input.id === ill.name ? [failedLine] : []))
    const lines = [`${well.name},12h,`, `${ill.name},,"6h"`, `${managed.name},,`, 'none,,']
    const path = await from('many.csv', `\ufeffid,every,jitter\r\n${lines.join('\r\n')}\r\n`)
    const { strategy, every } = singleUserOptions
    const { code, out, err } = await keyturn(
      undefined,
      { strategy, every, from: path } as EnrolOptions,
      'yes',
    )
    expect(code).toBe(1)
    expect(err).toMatch(
      new RegExp(
        `^secret:${well.name}: 5 calls[\\s\\S]*left out: ${managed.name}: .* belongs to rds[\\s\\S]*left out: none: there is no`,
      ),
    )
    expect(err).toMatch(new RegExp(`keyturn: secret:${ill.name}: its check has failed at login`))
    expect(out).toMatch(/1 enrolled, 1 failed, 2 refused\.\n$/)
    expect(await tagsOf(well.arn)).toMatchObject({ 'keyturn:every': '12h' })
    expect(await tagsOf(ill.arn)).toEqual({})
  })

  test('prints JSON with --json, and leaves the tag of an admin that several name', async () => {
    const [well, ill, admin] = [await secret(), await secret(), await secret()]
    world.played.check = input =>
      checkReportOf(input, ...(input.id === ill.name ? [{ ...failedLine, line: 'privileges' } as const] : []))
    const entries = [well, ill].map(({ name: id }) => ({
      id,
      strategy: 'alternating-users',
      admin: admin.name,
    }))
    const path = await from('many.json', JSON.stringify(entries))
    const { code, out } = await keyturn(undefined, { every: '30d', yes: true, from: path }, undefined, true)
    expect(code).toBe(1)
    expect(JSON.parse(out).credentials).toMatchObject([
      {
        id: well.name,
        result: 'enrolled',
        exitCode: 0,
        calls: expect.arrayContaining([expect.objectContaining({ operation: 'TagResource' })]),
      },
      { id: ill.name, result: 'failed', undone: ['keyturn:managed'], exitCode: 1 },
    ])
    expect(await tagsOf(admin.arn)).toEqual({ 'keyturn:admin': 'true' })
  })
})

test('Ctrl-C during the check removes the tags again', async () => {
  const { name, arn } = await secret()
  world.played.hangs = true
  const words = ['enrol', name, '--strategy', 'single-user', '--every', '30d', '--yes']
  const { code, stderr } = await runCommand(words, commandEnvironment(world.account.url), async child => {
    await vi.waitFor(() => expect(world.account.calls).toContain('DescribeExecution'), 20_000)
    child.kill('SIGINT')
  })
  expect([code, await tagsOf(arn)]).toEqual([4, {}])
  expect(stderr).toMatch(
    /: stopped\nRun the same command again to start over\.\n {2}Undone: keyturn:managed\.\n$/,
  )
}, 30_000)
