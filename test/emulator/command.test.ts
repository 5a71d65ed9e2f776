import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { DisableRuleCommand, EventBridgeClient, ListRulesCommand } from '@aws-sdk/client-eventbridge'
import {
  GetScheduleCommand,
  SchedulerClient,
  UpdateScheduleCommand,
  type UpdateScheduleCommandInput,
} from '@aws-sdk/client-scheduler'
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { ListExecutionsCommand, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import {
  GetParameterCommand,
  PutParameterCommand,
  RemoveTagsFromResourceCommand,
  SSMClient,
} from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mapConcurrently } from '../../fleet/concurrency.ts'
import { type Deployed, findLeaks, startDeployed } from '../../local/stack/deployed.ts'
import { pythonBin } from '../../local/stack/python.ts'
import manifest from '../../package.json' with { type: 'json' }
import type { CheckResult } from '../../rotation/check/line.ts'
import { packCommand } from '../../scripts/pack.ts'
import { commandEnvironment, runCommand } from '../cli/account.ts'
import { copyProject } from '../stack/package.ts'
import { node22 } from '../support/node22.ts'
import { credentialsIn, personWith } from './person.ts'
import { templateFunction } from './templateFunction.ts'

const bin = process.env.AWS_ENDPOINT_URL ? undefined : await pythonBin()
const deployable = process.env.AWS_ENDPOINT_URL || bin

/** The detail of the event of a check. */
type Told = { id: string; result: string }

/** The command with a stack that is deployed on the local AWS: with its executions, events and table. */
describe.skipIf(!deployable)('the keyturn command', () => {
  let folder: string
  let stack: Deployed
  beforeAll(async () => {
    folder = await copyProject()
    stack = (await startDeployed({ folder })) as Deployed
  })
  afterAll(async () => {
    await stack?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const keyturn = (...words: string[]) => runCommand(words, commandEnvironment(stack.url, stack.env))
  /** Waits until the events have come to the table. @returns what was asked for */
  async function eventually<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
    for (const until = Date.now() + 60_000; ; await sleep(500)) {
      const answer = await ask()
      if (holds(answer) || Date.now() > until) return answer
    }
  }
  const recorded = (id: string) =>
    eventually(
      async () => JSON.parse((await keyturn('history', id, '--json')).stdout),
      ({ rotations: [latest] }) => latest && latest.retirement !== 'open',
    )

  test('finds the stack, and says that it is of the same version', async () => {
    expect(await keyturn('version')).toMatchObject({
      code: 0,
      stdout: `command  ${manifest.version}\nstack    ${manifest.version} (keyturn-local)\n`,
    })
  })

  test('reports on the deployment, and enables a rule and a schedule that are disabled', async () => {
    const states = async () => {
      const { checks } = JSON.parse((await keyturn('doctor', '--json')).stdout)
      return Object.entries(
        Object.groupBy(checks as { kind: string; state: string }[], ({ kind }) => kind),
      ).map(([kind, found = []]) => [kind, ...found.map(({ state }) => state).sort()].join(' '))
    }
    const ok = (count: number) => ' ok'.repeat(count)
    const well = ['version ok', `rule${ok(10)}`, 'schedule ok', `reader${ok(3)}`, `function${ok(25)}`]
    const rest = [`errors${ok(25)}`, `queue${ok(6)}`, 'topic ok', `alarm${' warning'.repeat(5)}`]
    expect((await states()).sort()).toEqual([...well, ...rest].sort())

    const events = new EventBridgeClient(stack.client)
    const { Rules = [] } = await events.send(new ListRulesCommand({ NamePrefix: 'keyturn-local-' }))
    const Name = Rules.find(rule => rule.Name?.includes('LockoutRule'))?.Name
    await events.send(new DisableRuleCommand({ Name }))
    const scheduler = new SchedulerClient(stack.client)
    const { $metadata, Arn, ...due } = await scheduler.send(
      new GetScheduleCommand({ Name: 'keyturn-local-due' }),
    )
    await scheduler.send(
      new UpdateScheduleCommand({ ...(due as UpdateScheduleCommandInput), State: 'DISABLED' }),
    )
    const found = await keyturn('doctor')
    expect([found.code, found.stdout.match(/^failed .*(?= is disabled$)/gm)]).toEqual([
      5,
      [`failed    rule ${Name}`, 'failed    schedule keyturn-local-due'],
    ])
    expect((await keyturn('doctor', '--fix')).code).toBe(0)
    const again = await scheduler.send(new GetScheduleCommand({ Name: 'keyturn-local-due' }))
    expect(again).toMatchObject({
      State: 'ENABLED',
      Target: due.Target,
      ScheduleExpression: 'rate(15 minutes)',
    })
  })

  test('rotates a secret and a parameter, and then has their history', async () => {
    const admin = await stack.users.makeAdmin('commander')
    const tags = { 'keyturn:grace': '1s' }
    const secret = await stack.users.enrol('ordered', { admin, tags })
    const parameter = await stack.users.enrol('filed', { valueStore: stack.parameters })
    const rotated = await keyturn('rotate', `secret:${secret}`, `parameter:${parameter}`)
    expect(rotated).toMatchObject({ code: 0, stderr: '' })
    expect(rotated.stdout).toMatch(/filed: rotated$/m)
    expect(rotated.stdout).toMatch(/ordered: rotated; the old one stays open until/)

    const { rotations } = await recorded(`secret:${secret}`)
    expect(rotations).toEqual([
      expect.objectContaining({
        outcome: 'rotated',
        startedBy: 'by-hand',
        user: 'ordered',
        nextUser: 'ordered_clone',
        admin: admin.arn,
        address: `${stack.postgres.host}:${stack.postgres.port}`,
        retirement: 'closed',
      }),
    ])
    expect((await keyturn('status', parameter)).stdout).toMatch(
      /^ {2}in use {6}filed on .*\(postgres, single-user\)$/m,
    )
    const last = await keyturn('history', secret, '--last')
    expect(last.stdout).toMatch(
      /\+\d+\.\d s {2}SetSecret: .*\n(.*\n)*.*FinishSecret: .*\n(.*\n)*.* the end\n$/,
    )
    const { stdout } = await keyturn('events', '--since', '1h')
    expect(stdout.match(/(filed|ordered) {2}rotated in/g)).toHaveLength(2)
  })

  test('says why a rotation failed and what to do, and lists that credential first', async () => {
    const id = await stack.users.enrol('broken', { tags: { 'keyturn:test-query': 'TABLE no_such_table' } })
    const { code, stderr } = await keyturn('rotate', id)
    expect(code).toBe(1)
    expect(stderr).toMatch(/the application is unharmed. TestFailed: .*\nMend what the message names/)
    await recorded(id)
    const { code: found, stdout } = await keyturn('status')
    expect(found).toBe(5)
    expect(stdout.split('\n')[1]).toMatch(/^failed +secret:local-\w+\/broken +.*TestFailed at RehearseTest/)
  })

  test('works the same from its package, under the oldest Node and under this one', async () => {
    const unpacked = await mkdtemp(join(tmpdir(), 'keyturn-packed-'))
    try {
      await promisify(execFile)('tar', ['-xzf', await packCommand(unpacked), '-C', unpacked])
      const bundle = join(unpacked, 'package/bin/keyturn.js')
      const id = await stack.users.enrol('packaged')
      for (const node of [process.execPath, await node22()]) {
        if (!node) continue
        const { code, stdout } = await runCommand(
          ['rotate', id],
          commandEnvironment(stack.url, stack.env),
          undefined,
          [node, bundle],
        )
        expect([code, stdout]).toEqual([0, expect.stringMatching(/packaged: rotated$/m)])
      }
    } finally {
      await rm(unpacked, { recursive: true, force: true })
    }
  })

  test('checks a working and a broken credential, with an event for each', async () => {
    const [admin, other] = [await stack.users.makeAdmin('warden'), await stack.users.makeAdmin('former')]
    const well = await stack.users.enrol('checked', { admin, tags: { 'keyturn:test-query': 'SELECT 1' } })
    const ill = await stack.users.enrol('checked_ill', { admin: other })
    await stack.users.setPassword('former', 'another')
    const { code, stdout, stderr } = await keyturn('check', well, ill, '--json')
    expect([code, stderr]).toEqual([5, ''])
    const { checks } = JSON.parse(stdout) as { checks: (CheckResult & { exitCode: number })[] }
    expect(checks).toMatchObject([
      { arn: well, result: 'ok', user: 'checked', nextUser: 'checked_clone', admin: admin.arn, exitCode: 0 },
      { arn: ill, result: 'failed', exitCode: 5 },
    ])
    const statesOf = ({ lines }: CheckResult) =>
      Object.fromEntries(lines.map(({ line, state }) => [line, state]))
    const [first, second] = checks.map(statesOf)
    expect(new Set(Object.values(first ?? {}))).toEqual(new Set(['ok']))
    expect(second).toEqual({ ...second, login: 'ok', 'admin-login': 'failed', privileges: 'not-looked-at' })
    expect(checks[1]?.lines.find(({ line }) => line === 'admin-login')).toMatchObject({
      error: 'AdminRefused',
      remedy: expect.stringMatching(/^Store the password/),
    })

    const client = new SFNClient(stack.client)
    const stateMachineArn = await stack.readOutput('CheckStateMachineArn')
    const { executions = [] } = await client.send(new ListExecutionsCommand({ stateMachineArn }))
    const told = await mapConcurrently(executions, 4, ({ executionArn = '' }) =>
      stack.waitForAnnouncements(executionArn),
    )
    const events = told
      .flat()
      .filter(({ detail }) => /^local-\w+\/checked/.test((detail as object as Told).id))
    expect(
      events.map(({ 'detail-type': type, detail }) => [type, (detail as object as Told).result]),
    ).toEqual(
      expect.arrayContaining([
        ['Credential Checked', 'ok'],
        ['Credential Checked', 'failed'],
      ]),
    )
    expect(events).toHaveLength(2)
    expect(JSON.stringify(events)).toContain('"failed":["admin-login"]')
  })

  /** Only MiniStack is known to enforce IAM. */
  describe.skipIf(!bin)('used by somebody with a policy that it printed', () => {
    /** The environment variables of a user with only the policy that `keyturn policy` prints for these arguments. */
    async function shellOf(...words: string[]): Promise<Record<string, string>> {
      const { stdout } = await keyturn('policy', ...words)
      return { ...stack.env, ...(await personWith(`${bin}`, stack.env, [JSON.parse(stdout)])) }
    }
    const clientsOf = (shell: NodeJS.ProcessEnv) => {
      const settings = { ...stack.client, credentials: credentialsIn(shell) }
      return {
        secrets: new SecretsManagerClient(settings),
        parameters: new SSMClient(settings),
        stepFunctions: new SFNClient(settings),
      }
    }
    /** The environment variables of a user who may do everything. */
    const anybody = () => clientsOf(stack.env)
    const denied = { name: expect.stringMatching(/^AccessDenied/) }
    const enrolled = async (user: string) => ({
      id: await stack.users.enrol(user),
      parameter: await stack.users.enrol(`${user}_too`, { valueStore: stack.parameters }),
    })

    test('an auditor can run every command that reads, starts nothing and reads no value', async () => {
      const { id, parameter } = await enrolled('audited')
      const shell = commandEnvironment(stack.url, await shellOf('--auditor'))
      const looks = [
        ...[
          ['status'],
          ['history', `parameter:${parameter}`, '--last'],
          ['replicas'],
          ['replicas', '--ready'],
        ],
        ...[['readers', id], ['audit'], ['cost', '--zones', '2'], ['doctor']],
      ]
      await mapConcurrently(looks, 4, async words => {
        const { code, stdout, stderr } = await runCommand(words, shell)
        expect([words, code], stderr).not.toEqual([words, 3])
        expect(stdout + stderr, words.join(' ')).not.toMatch(
          /not authorized|AccessDenied| refuses |^not read/m,
        )
      })
      for (const started of [`secret:${id}`, `parameter:${parameter}`])
        expect(await runCommand(['rotate', started], shell)).toMatchObject({ code: 3 })
      const { secrets, parameters } = clientsOf(shell)
      await expect(secrets.send(new GetSecretValueCommand({ SecretId: id }))).rejects.toMatchObject(denied)
      const get = new GetParameterCommand({ Name: parameter, WithDecryption: true })
      await expect(parameters.send(get)).rejects.toMatchObject(denied)
    })

    test('an operator rotates, also by Secrets Manager, and can do no more to a secret', async () => {
      const { id, parameter } = await enrolled('operated')
      const RotationLambdaARN = await stack.readOutput('RotateSecretFunctionArn')
      const scheduled = await stack.users.enrol('scheduled')
      await anybody().secrets.send(
        new RotateSecretCommand({ SecretId: scheduled, RotationLambdaARN, RotateImmediately: false }),
      )
      const shell = commandEnvironment(stack.url, await shellOf('--operator'))
      const ids = [`parameter:${parameter}`, `secret:${scheduled}`]
      expect(await runCommand(['rotate', ...ids], shell)).toMatchObject({ code: 0 })
      expect(await runCommand(['rotate', '--all-due', '--no-wait'], shell)).toMatchObject({ code: 0 })
      expect(await runCommand(['check', id, parameter], shell)).toMatchObject({ code: 0 })
      for (const words of [
        ['enrol', id, '--strategy', 'single-user', '--every', '7d', '--yes'],
        ['unenrol', id, '--yes'],
      ])
        expect(await runCommand(words, shell), words.join(' ')).toMatchObject({ code: 3 })

      const { secrets, parameters, stepFunctions } = clientsOf(shell)
      const otherFunction = RotationLambdaARN.replace('rotateSecret', 'createSecret')
      const tags = { Tags: [{ Key: 'keyturn:test-query', Value: 'TABLE secrets' }] }
      const promote = { stateMachineArn: await stack.readOutput('PromoteStateMachineArn'), input: '{}' }
      for (const refused of [
        () => secrets.send(new GetSecretValueCommand({ SecretId: id })),
        () => secrets.send(new PutSecretValueCommand({ SecretId: id, SecretString: '{}' })),
        () => secrets.send(new TagResourceCommand({ SecretId: id, ...tags })),
        () => secrets.send(new RotateSecretCommand({ SecretId: id, RotationLambdaARN })),
        () =>
          secrets.send(new RotateSecretCommand({ SecretId: scheduled, RotationLambdaARN: otherFunction })),
        () => parameters.send(new PutParameterCommand({ Name: parameter, Value: '{}', Overwrite: true })),
        () => parameters.send(new GetParameterCommand({ Name: parameter, WithDecryption: true })),
        () => stepFunctions.send(new StartExecutionCommand(promote)),
      ])
        await expect(refused(), `${refused}`).rejects.toMatchObject(denied)
    })

    describe('a caretaker', () => {
      let cared: (...words: string[]) => ReturnType<typeof runCommand>
      beforeAll(async () => {
        const shell = commandEnvironment(stack.url, await shellOf('--caretaker'))
        cared = (...words) => runCommand(words, shell)
      })
      const described = (SecretId: string) => anybody().secrets.send(new DescribeSecretCommand({ SecretId }))
      const tagsOf = async (id: string) => {
        const { Tags = [] } = await described(id)
        return Tags.map(({ Key, Value }) => `${Key}=${Value}`).sort()
      }
      const untag = (SecretId: string, ...TagKeys: string[]) =>
        anybody().secrets.send(new UntagResourceCommand({ SecretId, TagKeys }))
      /** Makes a secret without Keyturn's tags. */
      async function untouched(user: string): Promise<string> {
        const id = await stack.users.enrol(user)
        await untag(id, 'keyturn:managed')
        return id
      }
      const current = async (id: string) => JSON.parse((await stack.secrets.read(id, 'current')) ?? '')

      test('enrols an untouched secret to its first rotation by two users', async () => {
        const admin = await stack.users.makeAdmin('enroller')
        await untag(admin.arn, 'keyturn:admin')
        const id = await untouched('fresh')
        await stack.users.runSql('grant fresh to enroller with admin option')
        const words = ['enrol', id, '--strategy', 'alternating-users', '--admin', admin.arn, '--every', '30d']
        const shown = await cared(...words, '--grace', '1s', '--now', '--dry-run')
        expect([shown.code, shown.stdout]).toEqual([0, expect.stringMatching(/^secret:\S+: 8 calls$/m)])
        expect([await tagsOf(id), await tagsOf(admin.arn)]).toEqual([[], []])

        const { code, stdout, stderr } = await cared(...words, '--grace', '1s', '--now', '--yes')
        expect(code, stdout + stderr).toBe(0)
        expect(stdout).toMatch(/: the value names its admin now, .*\/enroller$/m)
        expect(stdout).toMatch(/^A rotation \(alternating-users, user fresh, .*would go well\.$/m)
        expect(stdout).toMatch(/: rotated; the old one stays open until .*\n$/)
        expect(await current(id)).toMatchObject({ username: 'fresh_clone', masterarn: admin.arn })
        expect(await tagsOf(id)).toEqual([
          'keyturn:every=30d',
          'keyturn:grace=1s',
          'keyturn:managed=true',
          'keyturn:strategy=alternating-users',
        ])
        expect(await tagsOf(admin.arn)).toEqual(['keyturn:admin=true'])
      })

      test('enrols what a file lists, and status has the real date of a password whose value was edited', async () => {
        const admin = await stack.users.makeAdmin('lister')
        const edited = await untouched('listed')
        await stack.users.runSql('grant listed to lister with admin option')
        const parameter = await stack.users.enrol('listed_too', { valueStore: stack.parameters })
        const about = { ResourceType: 'Parameter', ResourceId: parameter } as const
        const untagging = new RemoveTagsFromResourceCommand({ ...about, TagKeys: ['keyturn:managed'] })
        await anybody().parameters.send(untagging)
        const refused = await untouched('listed_ill')
        await stack.users.setPassword('listed_ill', 'another')
        const file = join(folder, 'credentials.csv')
        const lines = [`${edited},alternating-users,${admin.arn}`, `parameter:${parameter},,`, `${refused},,`]
        await writeFile(file, ['id,strategy,admin', ...lines, 'secret:local/none,,'].join('\n'))
        const words = ['--from', file, '--strategy', 'single-user', '--every', '7d', '--yes']
        const { stdout, stderr } = await cared('enrol', ...words)
        expect(stdout).toMatch(/^2 enrolled, 1 failed, 1 refused\.$/m)
        expect(stderr).toMatch(/listed_ill: its check has failed at login: .*the password was refused$/m)
        expect(await tagsOf(refused)).toEqual([])
        const status = await cared('status', edited)
        expect(status.stdout).toMatch(/^ {2}edited {6}to name an admin; the password dates from 20/m)
        expect((await cared('status', parameter)).stdout).toMatch(/^ {2}rotated by {2}Keyturn, every 7d$/m)
      })

      test('takes a secret over from another function, and gives it back', async () => {
        const id = await untouched('taken')
        const before = await templateFunction(`${bin}`, stack.env)
        const RotationRules = { ScheduleExpression: 'rate(30 days)', Duration: '2h' }
        const turned = { RotationLambdaARN: before, RotationRules, RotateImmediately: false }
        await anybody().secrets.send(new RotateSecretCommand({ SecretId: id, ...turned }))
        const words = ['--strategy', 'single-user', '--schedule', 'rate(10 days)', '--now', '--yes']
        const taken = await cared('enrol', id, ...words)
        expect(taken.code, taken.stdout + taken.stderr).toBe(0)
        expect(taken.stderr).toMatch(
          /an AWS template by its name, rate\(30 days\), within 2h\. Keyturn takes over/,
        )
        expect(taken.stdout).toMatch(/\/taken: rotated$/m)
        const rotated = await current(id)
        const RotationLambdaARN = await stack.readOutput('RotateSecretFunctionArn')
        expect(await described(id)).toMatchObject({ RotationEnabled: true, RotationLambdaARN })
        expect(await tagsOf(id)).toContain(`keyturn-before=${before}`)

        expect(await recorded(id)).toMatchObject({ rotations: [{ startedBy: 'secrets-manager' }] })
        const back = await cared('unenrol', id, '--yes')
        expect(back.code, back.stdout + back.stderr).toBe(0)
        const turnedBack = { RotationEnabled: true, RotationLambdaARN: before, RotationRules }
        expect(await described(id)).toMatchObject(turnedBack)
        expect(await current(id)).toEqual(rotated)
        expect(await tagsOf(id)).toEqual([])
      })

      test('sets no tag but those of Keyturn, and neither reads nor writes a value', async () => {
        const id = await untouched('kept')
        const { secrets, stepFunctions } = clientsOf(await shellOf('--caretaker'))
        const promote = { stateMachineArn: await stack.readOutput('PromoteStateMachineArn'), input: '{}' }
        for (const refused of [
          () => secrets.send(new GetSecretValueCommand({ SecretId: id })),
          () => secrets.send(new PutSecretValueCommand({ SecretId: id, SecretString: '{}' })),
          () => secrets.send(new TagResourceCommand({ SecretId: id, Tags: [{ Key: 'team', Value: 'red' }] })),
          () => secrets.send(new UntagResourceCommand({ SecretId: id, TagKeys: ['team'] })),
          () => stepFunctions.send(new StartExecutionCommand(promote)),
        ])
          await expect(refused(), `${refused}`).rejects.toMatchObject(denied)
      })
    })

    test('an application reads its own secret, its parameter or its secret as one, and no other', async () => {
      const [own, other] = [await enrolled('read'), await enrolled('unread')]
      const role = ['--role', 'arn:aws:iam::000000000000:role/shop']
      const [reader, referrer, parameterReader] = await Promise.all([
        shellOf(`secret:${own.id}`, ...role),
        shellOf(`secret:${own.id}`, ...role, '--as-parameter'),
        shellOf(`parameter:${own.parameter}`, ...role),
      ])
      const { secrets } = clientsOf(reader)
      for (const Command of [GetSecretValueCommand, DescribeSecretCommand]) {
        await expect(secrets.send(new Command({ SecretId: own.id }) as never)).resolves.toBeDefined()
        await expect(secrets.send(new Command({ SecretId: other.id }) as never)).rejects.toMatchObject(denied)
      }
      const read = (shell: Record<string, string>, Name: string) =>
        clientsOf(shell).parameters.send(new GetParameterCommand({ Name, WithDecryption: true }))
      const reference = ({ id }: typeof own) =>
        `/aws/reference/secretsmanager/${/secret:(.+)-\w{6}$/.exec(id)?.[1]}`
      for (const [shell, nameOf] of [
        [parameterReader, ({ parameter }: typeof own) => parameter],
        [referrer, reference],
      ] as const) {
        await expect(read(shell, nameOf(own))).resolves.toBeDefined()
        await expect(read(shell, nameOf(other))).rejects.toMatchObject(denied)
      }
      await expect(read(reader, reference(own))).rejects.toMatchObject(denied)
    })
  })

  test('neither the command’s output nor the table has a password', async () => {
    const passwords = await stack.collectPasswords()
    expect(passwords.length).toBeGreaterThan(3)
    for (const words of [['status'], ['events', '--json'], ['history', 'local', '--json']]) {
      const { stdout, stderr } = await keyturn(...words)
      for (const password of passwords) expect(stdout + stderr).not.toContain(password)
    }
    expect(await findLeaks(stack)).toEqual([])
  })
})
