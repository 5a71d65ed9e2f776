import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  PutSecretValueCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { StateName } from '../../fleet/states.ts'
import type { Tasks } from '../../local/embedded/stateMachine.ts'
import { type RunningPostgres, startPostgres } from '../../local/servers/postgres.ts'
import { randomHex, runStatements } from '../../local/servers/postgresDatabase.ts'
import { arnInRegion } from '../../rotation/arn.ts'
import { scheduleTagValue } from '../../rotation/promotion/serviceSchedule.ts'
import { LostRegion, lostRegion, survivingRegion } from '../support/lostRegion.ts'
import { captureOutput } from '../support/observe.ts'

/** How many secrets are promoted at once: more with KEYTURN_PROMOTIONS=whole. */
const MANY = process.env.KEYTURN_PROMOTIONS === 'whole' ? 500 : 60
/** How many broken ones there are of each kind. */
const BROKEN = 2

type Server = { host: string; running: RunningPostgres }
let lost: LostRegion
let servers: Server[]
let standby: RunningPostgres

beforeAll(async () => {
  captureOutput()
  const [second, third] = await Promise.all([startPostgres(), startPostgres(18, { standby: true })])
  standby = third
  lost = await LostRegion.start({
    map: Object.fromEntries<string>(
      ['one', 'two', 'standby'].map(name => [`${name}.${lostRegion}.example.com`, 'localhost']),
    ),
    trust: [second.caFile, third.caFile],
  })
  servers = [
    { host: `one.${lostRegion}.example.com`, running: lost.embedded.postgres },
    { host: `two.${lostRegion}.example.com`, running: second },
  ]
})
afterAll(async () => {
  await lost?.stop()
  await Promise.all([servers?.[1]?.running.stop(), standby?.stop()])
})
afterEach(async () => {
  lost.embedded.secretsManager.refuse()
  await lost.clear()
})

type Value = { engine: string; host: string; port: number; username: string; password: string }

/** Makes so many users, distributed over the servers, and a value for each. */
async function makeUsers(count: number): Promise<Value[]> {
  const values = Array.from({ length: count }, (_, n) => {
    const { host, running } = servers[n % servers.length] as Server
    return {
      engine: 'postgres',
      host,
      port: running.port,
      username: `u_${randomHex()}`,
      password: randomHex(),
    }
  })
  for (const { host, running } of servers) {
    const own = values.filter(value => value.host === host)
    await runStatements(
      running,
      own.map(({ username, password }) => `create role ${username} login password '${password}'`).join(';'),
    )
  }
  return values
}

/** The kinds of broken secrets: how each is made, with which error it is reported, and how it is repaired. */
type Broken = { name: string; arn: string; error: string; mend(): unknown }

async function makeBroken(values: Value[], at: string): Promise<Broken[]> {
  const next = () => values.pop() as Value
  const all: Broken[] = []
  for (let n = 0; n < BROKEN; n++) {
    const unusable = await lost.add(`${at}/unusable-${n}`, { value: next() })
    all.push({
      name: `${at}/unusable-${n}`,
      arn: unusable,
      error: 'NotPermitted',
      mend: () => unusables.delete(unusable),
    })
    unusables.add(unusable)

    const name = `${at}/taken-${n}`
    const value = next()
    await lost.survivingClient.send(new CreateSecretCommand({ Name: name, SecretString: 'of somebody else' }))
    const taken = await lost.add(name, { value })
    all.push({
      ...{ name, arn: taken, error: 'StandsAlone' },
      async mend() {
        await lost.survivingClient.send(
          new DeleteSecretCommand({ SecretId: name, ForceDeleteWithoutRecovery: true }),
        )
        lost.isLost = false
        await lost.replicate(arnInRegion(taken, lostRegion))
        await lost.describe(taken)
        lost.isLost = true
      },
    })

    const unmapped = { ...next(), host: `gone.${lostRegion}.example.com` }
    const nowhere = await lost.add(`${at}/unmapped-${n}`, { value: unmapped })
    all.push({
      ...{ name: `${at}/unmapped-${n}`, arn: nowhere, error: 'HostUnmapped' },
      // The map cannot be changed while the functions run, so the value gets another host.
      async mend() {
        lost.isLost = false
        const SecretString = JSON.stringify({ ...unmapped, host: servers[0]?.host, port: portOf(unmapped) })
        await lost.lostClient.send(
          new PutSecretValueCommand({ SecretId: arnInRegion(nowhere, lostRegion), SecretString }),
        )
        await lost.describe(nowhere)
        lost.isLost = true
      },
    })

    const right = next()
    const refused = await lost.add(`${at}/refused-${n}`, { value: { ...right, password: 'another' } })
    all.push({
      ...{ name: `${at}/refused-${n}`, arn: refused, error: 'LoginRefused' },
      mend: () => runStatements(serverOf(right), `alter role ${right.username} password 'another'`),
    })

    const { user, password } = standby.superuser
    const copy = {
      engine: 'postgres',
      host: `standby.${lostRegion}.example.com`,
      port: standby.port,
      username: user,
      password,
    }
    const early = await lost.add(`${at}/standby-${n}`, { value: copy })
    all.push({ name: `${at}/standby-${n}`, arn: early, error: 'StillStandby', mend: promoteStandby })
  }
  return all
}
const serverOf = ({ host }: Value) => servers.find(server => server.host === host)?.running as RunningPostgres
const portOf = ({ port }: Value) => port

let isPromoted = false
async function promoteStandby(): Promise<void> {
  if (isPromoted) return
  isPromoted = true
  await runStatements(standby, 'select pg_promote()')
}

/** The replicas whose values cannot be read, as their key is disabled. */
const unusables = new Set<string>()
const refuseUnusable = () =>
  lost.embedded.secretsManager.refuse(({ action, secret = '', region }) =>
    action === 'GetSecretValue' &&
    region === survivingRegion &&
    [...unusables].some(arn => arn.includes(`:${secret}-`) || arn === secret)
      ? { name: 'AccessDeniedException', message: 'Access to KMS is not allowed' }
      : undefined,
  )

describe('many replicas', () => {
  test('are promoted, except broken ones, which are named, and promoted once they are repaired', async () => {
    const values = await makeUsers(MANY - BROKEN)
    const broken = await makeBroken(values, 'many')
    const whole: { arn: string; value: Value }[] = []
    for (const [n, value] of values.entries())
      whole.push({ arn: await lost.add(`many/whole-${n}`, { value }), value })
    // Only a rehearsal before the loss can find secrets without a replica.
    await lost.promote({ dryRun: true })
    lost.isLost = true
    refuseUnusable()
    const { output } = await lost.promote()

    expect(output).toMatchObject({
      ...{ count: whole.length + broken.length, unknown: 0, promoted: whole.length },
      failed: { count: broken.length },
    })
    const noted = await lost.readNoted()
    expect(broken.map(({ name }) => [name, noted.get(name)?.error])).toEqual(
      broken.map(({ name, error }) => [name, error]),
    )

    const calls = lost.embedded.secretsManager.calls.length
    expect((await lost.promote()).output).toMatchObject({
      promoted: 0,
      before: whole.length,
      failed: { count: broken.length },
    })
    const changing = lost.embedded.secretsManager.calls
      .slice(calls)
      .filter(({ action }) => !/^(List|Describe|Get)/.test(action))
    expect(changing).toEqual([])

    for (const { mend } of broken) await mend()
    expect((await lost.promote({ from: lostRegion, again: true })).output).toMatchObject({
      ...{ promoted: broken.length, before: whole.length, failed: { count: 0 } },
    })
    for (const { arn, value } of whole)
      expect(await lost.readAsApplication(arn)).toMatchObject({ username: value.username, host: 'localhost' })
  })
})

describe('a promotion that is killed', () => {
  const FEW = 20
  const states = [
    'FindReplicas',
    'FindVersion',
    'NoteBegun',
    'PromoteReplica',
    'NoteOutcome',
    'ReportPromotion',
  ] as const
  const actions = [
    'StopReplicationToReplica',
    'PutSecretValue',
    'UpdateSecretVersionStage',
    'TagResource',
    'RotateSecret',
  ]
  const schedule = scheduleTagValue({ AutomaticallyAfterDays: 30 }) ?? ''
  let values: Value[]
  beforeAll(async () => {
    values = await makeUsers(FEW)
  })

  /** Makes so many secrets with replicas. */
  async function addFew(at: string): Promise<string[]> {
    lost.isLost = false
    const arns: string[] = []
    for (const [n, value] of values.entries())
      arns.push(await lost.add(`${at}/${n}`, { value, tags: { 'keyturn:service-schedule': schedule } }))
    return arns
  }

  /** Makes the same secrets, each with a pending version, and loses their Region. */
  async function loseFew(at: string): Promise<string[]> {
    const arns = await addFew(at)
    for (const [n, arn] of arns.entries()) {
      const SecretString = JSON.stringify({ ...values[n], password: 'never set' })
      const pending = { SecretId: arnInRegion(arn, lostRegion), SecretString, VersionStages: ['AWSPENDING'] }
      await lost.lostClient.send(new PutSecretValueCommand(pending))
    }
    lost.isLost = true
    return arns
  }

  /** The functions of the states, of which one dies in the middle of the secrets. */
  function killed(state: StateName<'promote'>, when: 'before' | 'after'): Tasks {
    const last = ['FindReplicas', 'ReportPromotion'].includes(state) ? 1 : FEW / 2
    let [seen, dead] = [0, false]
    const each = Object.entries(lost.tasks).map(([name, task]) => [
      name,
      async (input: unknown) => {
        const isIt = name === state && ++seen === last
        if (isIt && when === 'after') await task?.(input)
        dead ||= isIt
        if (dead) throw Object.assign(new Error('killed'), { name: 'Killed' })
        return task?.(input)
      },
    ])
    return Object.fromEntries(each)
  }

  async function expectPromoted(arns: string[]): Promise<void> {
    for (const [n, arn] of arns.entries()) {
      expect(await lost.readAsApplication(arn)).toEqual({ ...values[n], host: 'localhost' })
      const { tags, VersionIdsToStages = {}, ...found } = await lost.describe(arn)
      expect(found).toMatchObject({ RotationEnabled: true, RotationRules: { AutomaticallyAfterDays: 30 } })
      expect(found.PrimaryRegion).toBeUndefined()
      expect(tags).toHaveProperty(`keyturn:given-up:${lostRegion}`)
      expect(Object.values(VersionIdsToStages).flat()).not.toContain('AWSPENDING')
      // A second promotion would have made another version current.
      expect(Object.keys(VersionIdsToStages).length).toBeLessThanOrEqual(2)
    }
  }

  test.for(states.flatMap(state => [[state, 'before'] as const, [state, 'after'] as const]))(
    'at %s, %s its effect, is continued by another promotion',
    async ([state, when]) => {
      const arns = await loseFew(`killed-${state}-${when}`)
      const { failure, output } = await lost.promote({ from: lostRegion }, killed(state, when))
      expect(failure?.error ?? output).toBe('Killed')
      expect((await lost.promote()).output).toMatchObject({ unknown: 0, failed: { count: 0 } })
      await expectPromoted(arns)
    },
  )

  test.for([
    ['HandOver', 'before'],
    ['HandOver', 'after'],
    ['FenceOff', 'before'],
    ['FenceOff', 'after'],
  ] as const)(
    'at %s of a planned one, %s its effect, is continued by another promotion',
    async ([state, when]) => {
      const arns = await addFew(`planned-${state}-${when}`)
      const planned = { from: lostRegion, planned: true }
      const { failure, output } = await lost.promote(planned, killed(state, when))
      expect(failure?.error ?? output).toBe('Killed')
      expect((await lost.promote(planned)).output).toMatchObject({ unknown: 0, failed: { count: 0 } })
      await expectPromoted(arns)
      for (const arn of arns) {
        const old = await lost.lostClient.send(
          new DescribeSecretCommand({ SecretId: arnInRegion(arn, lostRegion) }),
        )
        expect(old.Tags).toContainEqual({ Key: 'keyturn:home', Value: survivingRegion })
      }
    },
  )

  test.for(actions.flatMap(action => [[action, 'before'] as const, [action, 'after'] as const]))(
    'at the call %s, %s its effect, is continued by another promotion',
    async ([action, when]) => {
      const arns = await loseFew(`call-${action}-${when}`)
      let seen = 0
      lost.embedded.secretsManager.refuse(call => {
        const isIt = call.region === survivingRegion && call.action === action
        const isChange = !/^(List|Describe|Get)/.test(call.action) && call.region === survivingRegion
        if (isIt) seen++
        const isOver = when === 'before' ? seen > FEW / 2 : seen > FEW / 2 && !isIt
        return isChange && isOver ? { name: 'AccessDeniedException', message: 'killed' } : undefined
      })
      const { output } = await lost.promote()
      expect(output).not.toMatchObject({ failed: { count: 0 } })
      lost.embedded.secretsManager.refuse()
      expect((await lost.promote()).output).toMatchObject({ unknown: 0, failed: { count: 0 } })
      await expectPromoted(arns)
    },
  )
})
