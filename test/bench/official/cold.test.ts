import { setTimeout as sleep } from 'node:timers/promises'
import { PutSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientAt } from '../../../bench/official/clientAt.ts'
import { type QueryCounts, startApplication } from '../../../bench/official/cold/failures.ts'
import { measureOutage } from '../../../bench/official/cold/outages.ts'
import { watchPasswordChanges } from '../../../bench/official/cold/passwordChanges.ts'
import { keyturnProcesses, officialProcesses } from '../../../bench/official/cold/sideProcesses.ts'
import { FunctionsProcess } from '../../../bench/official/keyturnRotator.ts'
import { type Scene, withScene } from '../../../bench/official/scene.ts'
import type { OfficialSource } from '../../../bench/official/source.ts'
import type { PostgresServer } from '../../../local/servers/postgres.ts'
import { runStatements } from '../../../local/servers/postgresDatabase.ts'
import { pythonBin } from '../../../local/stack/python.ts'
import { officialStandIn } from '../../support/officialStandIn.ts'

const bin = await pythonBin()

const standIn = officialStandIn('import time; time.sleep(0.5)')
const patiently = { timeout: 20_000 }

/** Counts the queries that fail until so many more have begun. */
async function failuresAmong(more: number, countsSoFar: () => Promise<QueryCounts>): Promise<number> {
  const before = await countsSoFar()
  while ((await countsSoFar()).queries < before.queries + more) await sleep(20)
  return (await countsSoFar()).failed - before.failed
}

describe.skipIf(!bin)('on PostgreSQL', () => {
  let scene: Scene
  const over = Promise.withResolvers<void>()
  let stopped: Promise<void>
  beforeAll(() => {
    const started = Promise.withResolvers<void>()
    stopped = withScene('postgres', { bin: bin ?? '', hasPostgresDriver: false }, made => {
      scene = made
      started.resolve()
      return over.promise
    })
    stopped.catch(started.reject)
    return started.promise
  })
  afterAll(() => {
    over.resolve()
    return stopped
  })

  test("Keyturn's functions are loaded at their first call, and refuse the password for a part of the rotation", async () => {
    const packages = ['createSecret', 'setSecret', 'testSecret', 'finishSecret', 'rollbackSecret'].map(
      name => ({
        name,
        entry: new URL(`../../../functions/${name}.ts`, import.meta.url).href,
      }),
    )
    const effectOf = await watchPasswordChanges(scene.server)
    await using crew = await keyturnProcesses(scene, { packages })()
    const secret = await scene.enrol(false)
    const rotate = async () => {
      const began = performance.now()
      const { wall, outageMs } = await measureOutage(scene, effectOf, crew, secret)
      expect(outageMs).toBeGreaterThan(0)
      expect(outageMs).toBeLessThan(performance.now() - began)
      return wall
    }
    const cold = await rotate()
    expect(await rotate()).toBeLessThan(cold)
  })

  test("AWS's function is loaded only in the first rotation", async () => {
    const source: OfficialSource = { commit: '', date: '', read: async () => standIn }
    await using crew = await officialProcesses(scene, {
      python: { bin: bin ?? '', hasPostgresDriver: false },
      source,
    })()
    const secret = await scene.enrol(false)
    const { wall } = await crew.rotate(secret)
    expect(wall).toBeGreaterThan(500)
    expect((await crew.rotate(secret)).wall).toBeLessThan(wall - 400)
  })

  test('an engine of Keyturn logs in with the stored value, and with no other', async () => {
    const value = JSON.parse((await scene.valueStore.read(await scene.enrol(false), 'current')) ?? '')
    const entry = new URL('../../../rotation/engines/postgres/postgres.ts', import.meta.url).href
    await using functions = new FunctionsProcess(scene)
    expect((await functions.login(entry, value)).wall).toBeGreaterThan(0)
    await expect(functions.login(entry, { ...value, password: 'other' })).rejects.toThrow('LoginRefused')
  })

  test('an application fails while the stored value does not log in, and recovers when it does', async () => {
    const secret = await scene.enrol(false)
    const value = JSON.parse((await scene.valueStore.read(secret, 'current')) ?? '')
    const change = () =>
      runStatements(scene.server as PostgresServer, `alter role ${value.username} password 'second'`)
    const client = clientAt(scene.secretsManager.url, scene.issuer)
    const SecretString = JSON.stringify({ ...value, password: 'second' })
    const tell = () => client.send(new PutSecretValueCommand({ SecretId: secret, SecretString }))
    await using application = await startApplication(scene, secret, 50)
    const { countsSoFar } = application
    await expect.poll(async () => (await countsSoFar()).queries, patiently).toBeGreaterThan(5)
    expect((await countsSoFar()).failed).toBe(0)
    await change()
    await expect.poll(async () => (await countsSoFar()).failed, patiently).toBeGreaterThan(1)
    await tell()
    // Queries that began with the old value may still fail.
    await expect.poll(() => failuresAmong(5, countsSoFar), patiently).toBe(0)
    expect((await application.stop()).failed).toBeGreaterThan(1)
    client.destroy()
  })
})
