import { readFileSync } from 'node:fs'
import {
  DescribeSecretCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Task } from '../../local/embedded/stateMachine.ts'
import { type RunningPostgres, startPostgres } from '../../local/servers/postgres.ts'
import { admits, randomHex, runStatements } from '../../local/servers/postgresDatabase.ts'
import { arnInRegion } from '../../rotation/arn.ts'
import { Credential } from '../../rotation/credential.ts'
import { scheduleTagValue } from '../../rotation/promotion/serviceSchedule.ts'
import { LostRegion, lostHost, lostRegion, rotationFunction, survivingRegion } from '../support/lostRegion.ts'
import { captureOutput } from '../support/observe.ts'

let lost: LostRegion
let reader: RunningPostgres
beforeAll(async () => {
  reader = await startPostgres(18, { standby: true })
  lost = await LostRegion.start({ trust: [reader.caFile] })
})
afterAll(() => Promise.all([lost?.stop(), reader?.stop()]))
beforeEach(() => {
  captureOutput()
  lost.events = []
  lost.isLost = false
})

/** A user of the database here, with this password. */
async function makeUser(password = randomHex()): Promise<{ username: string; password: string }> {
  const username = `u_${randomHex()}`
  await runStatements(lost.embedded.postgres, `create role ${username} login password '${password}'`)
  return { username, password }
}
const stored = (login: { username: string; password: string }, more: object = {}) => ({
  engine: 'postgres',
  host: lostHost,
  port: lost.embedded.postgres.port,
  dbname: 'postgres',
  ...login,
  ...more,
})
/** Writes a later version of a secret of the lost Region. */
const put = (arn: string, value: object, ...stages: string[]) =>
  lost.lostClient.send(
    new PutSecretValueCommand({
      SecretId: arnInRegion(arn, lostRegion),
      SecretString: JSON.stringify(value),
      VersionStages: stages.length ? stages : ['AWSCURRENT'],
    }),
  )
const labelsOf = async (arn: string) =>
  Object.values((await lost.describe(arn)).VersionIdsToStages ?? {}).flat()

describe('a replica of a Region that is lost', () => {
  test('becomes a secret of its own, logs in with the host of this Region, and rotates here', async () => {
    const login = await makeUser()
    const arn = await lost.add(`shop/${login.username}`, {
      value: stored(login),
      tags: {
        'keyturn:service-schedule':
          scheduleTagValue({ ScheduleExpression: 'rate(10 days)', Duration: '3h' }) ?? '',
      },
    })
    lost.isLost = true
    const { output, failure } = await lost.promote()
    expect(failure).toBeUndefined()
    expect(output).toMatchObject({
      from: lostRegion,
      count: 1,
      unknown: 0,
      promoted: 1,
      failed: { count: 0 },
    })
    expect(await lost.readAsApplication(arn)).toEqual(stored(login, { host: 'localhost' }))
    const found = await lost.describe(arn)
    expect(found.PrimaryRegion).toBeUndefined()
    expect(found.tags).toMatchObject({
      'keyturn:home': survivingRegion,
      [`keyturn:given-up:${lostRegion}`]: expect.stringMatching(/^\d{4}-\d\d-\d\d promoted in its place$/),
    })
    expect(found).toMatchObject({
      RotationEnabled: true,
      RotationLambdaARN: rotationFunction,
      RotationRules: { ScheduleExpression: 'rate(10 days)', Duration: '3h' },
    })
    expect((await lost.promote()).output).toMatchObject({
      count: 0,
      promoted: 0,
      before: 1,
      failed: { count: 0 },
    })
  })

  test.for(['previous', 'pending'] as const)(
    'gets its %s version as current if the database accepts no other',
    async stage => {
      const login = await makeUser()
      const known = stored(login)
      const unknown = stored({ ...login, password: randomHex() })
      const arn = await lost.add(`${stage}/${login.username}`, {
        value: stage === 'previous' ? known : unknown,
      })
      // After a rotation, the label for pending stays on the current version.
      if (stage === 'previous') await put(arn, unknown, 'AWSCURRENT', 'AWSPENDING')
      else await put(arn, known, 'AWSPENDING')
      lost.isLost = true
      const { output } = await lost.promote()
      expect(output).toMatchObject({ promoted: 1, failed: { count: 0 } })
      expect(await lost.readAsApplication(arn)).toEqual({ ...known, host: 'localhost' })
      expect(await labelsOf(arn)).not.toContain('AWSPENDING')
    },
  )
})

describe('special cases', () => {
  test('an admin goes first, and a secret without a replica of its admin is promoted with a warning', async () => {
    const admin = await lost.add(`z/admin-${randomHex()}`, {
      value: stored(await makeUser()),
      tags: { 'keyturn:managed': 'false', 'keyturn:admin': 'true' },
    })
    const missing = admin.replace(/admin-\w+-\w+$/, 'none-AbCdEf')
    const app = await lost.add(`a/app-${randomHex()}`, {
      value: stored(await makeUser(), { masterarn: arnInRegion(admin, lostRegion) }),
    })
    const alone = await lost.add(`a/alone-${randomHex()}`, {
      value: stored(await makeUser(), { masterarn: arnInRegion(missing, lostRegion) }),
    })
    lost.isLost = true
    const order: string[] = []
    const { output } = await lost.promote(
      { from: lostRegion },
      {
        FindVersion(input) {
          order.push((input as { arn: string }).arn)
          return lost.tasks.FindVersion?.(input)
        },
      },
    )
    expect(output).toMatchObject({ promoted: 3, failed: { count: 0 }, warned: { count: 1 } })
    expect(order[0]).toBe(admin)
    const noted = await lost.readNoted()
    expect(noted.get((await lost.describe(alone)).Name ?? '')?.warnings).toEqual([
      expect.stringContaining(missing),
    ])
    expect(noted.get((await lost.describe(app)).Name ?? '')?.warnings).toEqual([])
  })

  test('an opaque value is promoted without a login', async () => {
    const arn = await lost.add(`opaque/${randomHex()}`, {
      value: 'a signing key',
      tags: { 'keyturn:engine': 'opaque' },
    })
    lost.isLost = true
    expect((await lost.promote()).output).toMatchObject({ promoted: 1, warned: { count: 1 } })
    expect((await lost.describe(arn)).tags['keyturn:home']).toBe(survivingRegion)
  })

  test('a secret that was promoted by hand is included; one with its home here, or not Keyturn’s, is not', async () => {
    const login = await makeUser()
    const arn = await lost.add(`hand/${randomHex()}`, { value: stored(login) })
    await lost.describe(arn)
    await lost.survivingClient.send(new StopReplicationToReplicaCommand({ SecretId: arn }))
    const others = [
      await lost.add(`other/${randomHex()}`, { value: stored(login), tags: { 'keyturn:managed': 'false' } }),
      await lost.addHere(`own/${randomHex()}`, stored(login), {
        'keyturn:managed': 'true',
        'keyturn:home': survivingRegion,
      }),
    ]
    const before = await Promise.all(others.map(each => lost.describe(each)))
    lost.isLost = true
    expect((await lost.promote()).output).toMatchObject({ count: 1, promoted: 1 })
    expect(await lost.readAsApplication(arn)).toMatchObject({ host: 'localhost' })
    const plain = (secret: object) => ({ ...secret, $metadata: undefined })
    expect((await Promise.all(others.map(each => lost.describe(each)))).map(plain)).toEqual(before.map(plain))
  })
})

test('a secret for a read-only standby of a server here is promoted', async () => {
  const { user: username, password } = lost.embedded.postgres.superuser
  const tags = { 'keyturn:managed': 'false', 'keyturn:admin': 'true' }
  const admin = await lost.add(`reads/admin-${randomHex()}`, { value: stored({ username, password }), tags })
  const { superuser, port } = reader
  const login = { username: superuser.user, password: superuser.password }
  const name = `reads/${randomHex()}`
  await lost.add(name, { value: stored(login, { port, masterarn: arnInRegion(admin, lostRegion) }) })
  await lost.add(`${name}/alone`, { value: stored(login, { port }) })
  lost.isLost = true
  expect((await lost.promote()).output).toMatchObject({
    promoted: 2,
    failed: { names: [expect.stringMatching(`^${name}/alone: StillStandby`)] },
  })
  expect((await lost.readNoted()).get(name)).toMatchObject({ outcome: 'promoted', warnings: [] })
  await runStatements(reader, 'select pg_promote()')
  expect((await lost.promote()).output).toMatchObject({ promoted: 1 })
})

describe('a secret that cannot be promoted as it is', () => {
  test('an invalid host is never repeated, as it may contain a password', async () => {
    const hosts = [`joe:${randomHex()}@db.${lostRegion}.rds.amazonaws.com`, `joe:${randomHex()}@localhost`]
    for (const host of hosts)
      await lost.add(`host/${randomHex()}`, { value: stored(await makeUser(), { host }) })
    lost.isLost = true
    const written = captureOutput()
    const { output } = await lost.promote()
    expect(output).toMatchObject({ promoted: 0, failed: { count: 2 } })
    const noted = [...(await lost.readNoted()).values()].filter(({ name }) => name.startsWith('host/'))
    expect(noted.map(({ error }) => error)).toEqual(['InvalidCredential', 'InvalidCredential'])
    for (const host of hosts)
      expect(JSON.stringify([output, noted, written, lost.events])).not.toContain(host)
    lost.isLost = false
    for (const { credential } of noted) await put(credential, stored(await makeUser()))
    lost.isLost = true
    await lost.promote()
  })

  test('a warning says that the lost Region, which has given this one up, would rotate too', async () => {
    const name = `unwatched/${randomHex()}`
    const tags = { [`keyturn:given-up:${survivingRegion}`]: '2026-01-01 it was down' }
    await lost.add(name, { value: stored(await makeUser()), tags })
    expect((await lost.promote({ dryRun: true })).output).toMatchObject({
      failed: { names: [expect.stringMatching(`^${name}: ReplicasBehind: .*2026-01-01 it was down`)] },
    })
    lost.isLost = true
    expect((await lost.promote()).output).toMatchObject({
      promoted: 1,
      warned: {
        names: [expect.stringContaining(`set the tag keyturn:home of the one there to ${survivingRegion}`)],
      },
    })
  })
})

describe('a secret that already rotates here', () => {
  /** Makes a promoted secret without its schedule. */
  async function promoted(): Promise<string> {
    const tags = { 'keyturn:service-schedule': scheduleTagValue({ AutomaticallyAfterDays: 4 }) ?? '' }
    const arn = await lost.add(`goes-on/${randomHex()}`, { value: stored(await makeUser()), tags })
    lost.isLost = true
    lost.embedded.secretsManager.refuse(({ action }) =>
      action === 'RotateSecret' ? { name: 'AccessDeniedException', message: 'no' } : undefined,
    )
    await lost.promote()
    lost.embedded.secretsManager.refuse()
    return arn
  }
  const expectServed = async (arn: string) =>
    expect(
      await admits(
        lost.embedded.postgres,
        Credential.parse(JSON.stringify(await lost.readAsApplication(arn))),
      ),
    ).toBe(true)

  test('is not set back to a version that logged in before the lost Region made another current', async () => {
    const login = await makeUser()
    const arn = await lost.add(`later/${randomHex()}`, { value: stored(login, { host: 'localhost' }) })
    const { output } = await lost.promote(
      { from: lostRegion, lost: true },
      {
        async PromoteReplica(input) {
          expect((await lost.rotate(arnInRegion(arn, lostRegion), 'there')).failure).toBeUndefined()
          await lost.describe(arn)
          return lost.tasks.PromoteReplica?.(input)
        },
      },
    )
    expect(output).toMatchObject({ promoted: 0, failed: { names: [expect.stringContaining('Superseded')] } })
    await expectServed(arn)
    expect((await lost.promote({ from: lostRegion, lost: true })).output).toMatchObject({ promoted: 1 })
    await expectServed(arn)
  })

  test('is not set back by another promotion that had found its version before', async () => {
    const arn = await lost.add(`late/${randomHex()}`, {
      value: stored(await makeUser(), { host: 'localhost' }),
    })
    lost.isLost = true
    const { output } = await lost.promote(
      { from: lostRegion },
      {
        async PromoteReplica(input) {
          await lost.promote()
          expect((await lost.rotate(arn, 'here')).failure).toBeUndefined()
          return lost.tasks.PromoteReplica?.(input)
        },
      },
    )
    expect(output).toMatchObject({ promoted: 1, failed: { count: 0 } })
    await expectServed(arn)
  })

  test.each(['SetSecret', 'TestSecret', 'FinishSecret'] as const)(
    'goes on if a promotion that is repeated for its schedule runs before %s',
    async state => {
      const arn = await promoted()
      const task = lost.tasks[state] as Task
      lost.tasks[state] = async input => {
        lost.tasks[state] = task
        await lost.promote()
        return task(input)
      }
      expect((await lost.rotate(arn, 'here')).failure).toBeUndefined()
      await expectServed(arn)
      lost.isLost = false
      expect((await lost.promote({ dryRun: true })).output).toMatchObject({
        failed: { names: [expect.stringContaining('promote it again')] },
      })
      lost.isLost = true
      await lost.promote()
      expect(await lost.describe(arn)).toMatchObject({ RotationRules: { AutomaticallyAfterDays: 4 } })
    },
  )
})

describe('a version that a server refuses', () => {
  const logins = (username: string) =>
    readFileSync(lost.embedded.postgres.logFile, 'utf8').split(
      `password authentication failed for user "${username}"`,
    ).length - 1

  test('is tried once, also by later promotions, unless an option says to try again', async () => {
    const { username, password } = await makeUser()
    const arn = await lost.add(`refused/${username}`, { value: stored({ username, password: randomHex() }) })
    await put(arn, stored({ username, password: randomHex() }))
    lost.isLost = true
    expect((await lost.promote()).output).toMatchObject({ promoted: 0, failed: { count: 1 } })
    const tries = logins(username)
    expect(tries).toBe(2)
    const noted = (await lost.readNoted()).get(`refused/${username}`)
    expect(noted).toMatchObject({ outcome: 'failed', error: 'LoginRefused' })
    expect(noted?.refused).toHaveLength(2)
    expect(JSON.stringify(noted)).not.toContain(password)

    expect((await lost.promote()).output).toMatchObject({ promoted: 0, failed: { count: 1 } })
    expect(logins(username)).toBe(tries)
    expect((await lost.describe(arn)).PrimaryRegion).toBe(lostRegion)

    const { password: current } = (await lost.readAsApplication(arn)) as { password: string }
    await runStatements(lost.embedded.postgres, `alter role ${username} password '${current}'`)
    expect((await lost.promote({ from: lostRegion, again: true })).output).toMatchObject({
      promoted: 1,
      failed: { count: 0 },
    })
  })
})

describe('a Region that answers', () => {
  test.for([
    [{ from: lostRegion }, 'RegionAnswers'],
    [{ from: 'us-east-1' }, 'InvalidInput'],
    [{}, 'InvalidInput'],
    [{ from: lostRegion, planned: true, lost: true }, 'InvalidInput'],
    [{ from: lostRegion, ids: ['nobody/knows'], lost: true }, 'InvalidInput'],
  ] as const)('is not given up by %o', async ([input, error]) => {
    const arn = await lost.add(`answers/${randomHex()}`, { value: stored(await makeUser()) })
    expect((await lost.promote(input)).failure?.error).toBe(error)
    expect((await lost.describe(arn)).PrimaryRegion).toBe(lostRegion)
    lost.isLost = true
    await lost.promote()
  })

  test('is not given up as planned for the remains of an old promotion, which are not in sync', async () => {
    const login = await makeUser()
    const arn = await lost.add(`left/${randomHex()}`, { value: stored(login) })
    await lost.describe(arn)
    await lost.survivingClient.send(new StopReplicationToReplicaCommand({ SecretId: arn }))
    await put(arn, stored({ ...login, password: 'newer' }))
    expect((await lost.promote({ from: lostRegion, planned: true })).output).toMatchObject({
      failed: { count: 1 },
    })
    expect((await lost.table.latest('promotion', arn))?.error).toBe('StandsAlone')
    const old = await lost.lostClient.send(
      new DescribeSecretCommand({ SecretId: arnInRegion(arn, lostRegion) }),
    )
    expect(old.Tags).toContainEqual({ Key: 'keyturn:home', Value: lostRegion })
    lost.isLost = true
    expect((await lost.promote()).output).toMatchObject({ promoted: 1, warned: { count: 1 } })
  })

  test('can be given up as planned only while it answers', async () => {
    lost.isLost = true
    expect((await lost.promote({ from: lostRegion, planned: true })).failure?.error).toBe('InvalidInput')
  })

  test('can be given up as lost, and then no longer rotates', async () => {
    const arn = await lost.add(`lost/${randomHex()}`, { value: stored(await makeUser()) })
    const old = arnInRegion(arn, lostRegion)
    const RotationLambdaARN = rotationFunction.replace(survivingRegion, lostRegion)
    await lost.lostClient.send(
      new RotateSecretCommand({ SecretId: old, RotationLambdaARN, RotateImmediately: false }),
    )
    expect((await lost.promote({ from: lostRegion, lost: true })).output).toMatchObject({
      promoted: 1,
      failed: { count: 0 },
    })
    const found = await lost.lostClient.send(new DescribeSecretCommand({ SecretId: old }))
    expect(found.RotationEnabled).toBe(false)
    expect(found.Tags).toContainEqual({ Key: 'keyturn:home', Value: survivingRegion })
  })

  test('can be given up as planned: nothing begins there, what runs there ends, and the replica follows', async () => {
    const login = await makeUser()
    const arn = await lost.add(`planned/${randomHex()}`, { value: stored(login) })
    const old = arnInRegion(arn, lostRegion)
    await put(arn, stored({ ...login, password: 'of a rotation that runs' }), 'AWSPENDING')
    let tries = 0
    const homes: unknown[] = []
    const { output, failure } = await lost.promote(
      { from: lostRegion, planned: true },
      {
        async HandOver(input) {
          tries++
          if (tries === 3) await discard(old)
          const told = lost.tasks.HandOver?.(input)
          await Promise.resolve(told).catch(() => {})
          homes.push((await lost.lostClient.send(new DescribeSecretCommand({ SecretId: old }))).Tags)
          return told
        },
      },
    )
    expect(failure).toBeUndefined()
    expect(output).toMatchObject({ promoted: 1, failed: { count: 0 } })
    expect(tries).toBeGreaterThan(2)
    expect(homes[0]).toContainEqual({ Key: 'keyturn:home', Value: survivingRegion })
    expect(await lost.readAsApplication(arn)).toEqual(stored(login, { host: 'localhost' }))
  })
})

test('an incomplete hand-over is reported with its remedy, also by the rehearsal', async () => {
  const name = `half/${randomHex()}`
  const arn = await lost.add(name, {
    value: stored(await makeUser(), { host: `none.${lostRegion}.example.com` }),
  })
  const back = `set it back to ${lostRegion}`
  expect((await lost.promote({ from: lostRegion, planned: true })).output).toMatchObject({
    failed: { names: [expect.stringContaining('HostUnmapped')] },
    warned: { names: [expect.stringContaining(back)] },
  })
  expect((await lost.rotate(arnInRegion(arn, lostRegion), 'there')).failure?.error).toBe('NotAtHome')
  const { output } = await lost.promote({ dryRun: true })
  expect(output).toMatchObject({
    failed: {
      names: [expect.stringMatching(`^${name}: NotAtHome: .*set the tag of the primary to ${lostRegion}`)],
    },
  })
  const Tags = [{ Key: 'keyturn:home', Value: lostRegion }]
  await lost.lostClient.send(new TagResourceCommand({ SecretId: arnInRegion(arn, lostRegion), Tags }))
  await put(arn, stored(await makeUser()))
  expect((await lost.promote({ dryRun: true })).output).toMatchObject({ failed: { count: 0 } })
  lost.isLost = true
  await lost.promote()
})

/** Ends the rotation in the other Region, or rolls it back. */
async function discard(SecretId: string): Promise<void> {
  const { VersionIdsToStages = {} } = await lost.lostClient.send(new DescribeSecretCommand({ SecretId }))
  const [pending] =
    Object.entries(VersionIdsToStages).find(([, stages]) => stages.includes('AWSPENDING')) ?? []
  const command = { SecretId, VersionStage: 'AWSPENDING', RemoveFromVersionId: pending }
  await lost.lostClient.send(new UpdateSecretVersionStageCommand(command))
}

describe('a rehearsal', () => {
  const rehearse = () => lost.promote({ dryRun: true })
  const notReady = () => lost.events.filter(({ DetailType }) => DetailType === 'Promotion Not Ready')

  test('changes nothing, and reports what would fail once', async () => {
    const login = await makeUser()
    const ready = await lost.add(`rehearsed/ready-${randomHex()}`, { value: stored(login) })
    const nowhere = await lost.add(`rehearsed/nowhere-${randomHex()}`, {
      value: stored(login, { host: `gone.${lostRegion}.example.com` }),
    })
    const adminless = await lost.add(`rehearsed/adminless-${randomHex()}`, {
      value: stored(login, {
        masterarn: `arn:aws:secretsmanager:${lostRegion}:123456789012:secret:none-AbCdEf`,
      }),
    })
    const alone = await lost.add(`rehearsed/alone-${randomHex()}`, { value: stored(login) })
    await lost.describe(alone)
    await lost.survivingClient.send(new StopReplicationToReplicaCommand({ SecretId: alone }))
    const name = `rehearsed/taken-${randomHex()}`
    await lost.addHere(name, 'of somebody else', {})
    await lost.add(name, { value: stored(login) })
    const elsewhere = await lost.add(`rehearsed/elsewhere-${randomHex()}`, {
      value: stored(login),
      replicate: false,
    })
    const calls = lost.embedded.secretsManager.calls.length
    const { output } = await rehearse()
    expect(output).toMatchObject({
      rehearsal: true,
      count: 5,
      promoted: 1,
      failed: { count: 4 },
      news: { count: 4 },
    })
    expect(
      lost.embedded.secretsManager.calls
        .slice(calls)
        .filter(({ action }) => !/^(List|Describe|Get)/.test(action)),
    ).toEqual([])
    const noted = new Map((await lost.table.list('rehearsal')).map(one => [one.credential, one]))
    expect(noted.get(ready)).toMatchObject({ outcome: 'ready' })
    expect(noted.get(nowhere)).toMatchObject({ outcome: 'unready', error: 'HostUnmapped' })
    expect(noted.get(adminless)).toMatchObject({ outcome: 'unready', error: 'ReplicaMissing' })
    expect(noted.get(alone)).toMatchObject({ outcome: 'unready', error: 'StandsAlone' })
    expect([...noted.values()].find(one => one.name === name)).toMatchObject({ error: 'StandsAlone' })
    expect(noted.has(elsewhere)).toBe(false)
    expect(notReady()).toHaveLength(1)

    expect((await rehearse()).output).toMatchObject({ failed: { count: 4 }, news: { count: 0 } })
    expect(notReady()).toHaveLength(1)
    await put(nowhere, stored(login))
    expect((await rehearse()).output).toMatchObject({ promoted: 2, failed: { count: 3 } })
  })

  test('finds a host that does not exist, and a line of the map that leads to none', async () => {
    const login = await makeUser()
    const unknown = await lost.add(`unknown/${randomHex()}`, {
      value: stored(login, { host: 'no.such.host.invalid' }),
    })
    await rehearse()
    const noted = await lost.table.latest('rehearsal', unknown)
    expect(noted).toMatchObject({ outcome: 'unready', error: 'Unreachable' })
  })

  test('tries only current, also on a standby, and ignores a server that does not answer', async () => {
    const login = await makeUser()
    const arn = await lost.add(`standby/${randomHex()}`, { value: stored(login, { port: 1 }) })
    const refused = await lost.add(`standby/refused-${randomHex()}`, { value: stored(login) })
    await put(refused, stored({ ...login, password: randomHex() }))
    await rehearse()
    const noted = new Map((await lost.table.list('rehearsal')).map(one => [one.credential, one]))
    expect(noted.get(arn)).toMatchObject({
      outcome: 'ready',
      warnings: [expect.stringContaining('no login was tried')],
    })
    expect(noted.get(refused)).toMatchObject({ outcome: 'unready', error: 'LoginRefused' })
  })
})
