import {
  CreateDBClusterCommand,
  CreateDBInstanceCommand,
  CreateDBInstanceReadReplicaCommand,
} from '@aws-sdk/client-rds'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { type App, admits, makeApp, randomHex } from '../../local/servers/postgresDatabase.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { Credential } from '../../rotation/credential.ts'
import type { Engine } from '../../rotation/engines/engine.ts'
import { Postgres } from '../../rotation/engines/postgres/postgres.ts'
import { LoginRefused, Unreachable } from '../../rotation/errors.ts'
import { parseOptions } from '../../rotation/options.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import { Rds } from '../../rotation/rds.ts'
import { retire } from '../../rotation/retire.ts'
import { rollback } from '../../rotation/rollback.ts'
import * as steps from '../../rotation/steps.ts'
import { MemoryStore } from '../../rotation/stores/memory.ts'
import { AlternatingUsers } from '../../rotation/strategies/alternatingUsers.ts'
import { LOGIN_PAUSES_MS } from '../../rotation/strategies/login.ts'
import { cluster, instance, type RdsServer, rdsClient, startRds } from '../support/rds.ts'

const bin = await pythonBin()
const [postgres] = inject('postgres')
if (!postgres) throw new Error('no PostgreSQL')
const id = 'app'

describe.skipIf(!bin)('an admin at another endpoint of the database', () => {
  let server: RdsServer
  const hosts: Record<string, string> = {}
  let app: App
  let store: MemoryStore
  let rds: ReturnType<typeof vi.fn<() => Promise<Rds>>>
  /** How many logins at a copy are refused before a new password has arrived there. */
  let late: number
  /** The logins, each with its server. */
  let logins: string[]

  beforeAll(async () => {
    server = await startRds(bin ?? '')
    const { port: Port } = postgres
    const { DBCluster } = await server.client.send(
      new CreateDBClusterCommand({ ...cluster, DBClusterIdentifier: 'shop', Port }),
    )
    hosts.writer = `${DBCluster?.Endpoint}`
    hosts.reader = `${DBCluster?.ReaderEndpoint}`
    const one = { ...instance, DBInstanceIdentifier: 'one', Port }
    const { DBInstance } = await server.client.send(new CreateDBInstanceCommand(one))
    hosts.primary = `${DBInstance?.Endpoint?.Address}`
    await server.client.send(
      new CreateDBInstanceReadReplicaCommand({
        DBInstanceIdentifier: 'copy',
        SourceDBInstanceIdentifier: 'one',
      }),
    )
    hosts.replica = hosts.primary.replace('one.', 'copy.')
  })
  afterAll(() => server.stop())

  beforeEach(async () => {
    server.refuse = () => undefined
    rds = vi.fn(async () => new Rds(server.client))
    late = 0
    logins = []
    app = await makeApp(postgres)
    return () => app.drop()
  })

  /** An engine in which every host leads to the one server, and a new password arrives late at a copy. */
  const engine: Engine = {
    async login(credential) {
      const { username } = credential
      const [name] = Object.entries(hosts).find(([, host]) => host === credential.host) ?? []
      logins.push(`${username.startsWith('admin') ? 'admin' : username.replace(app.user, 'user')} ${name}`)
      const isCopy = name === 'reader' || name === 'replica'
      if (isCopy && username.endsWith('_clone') && late-- > 0) throw new LoginRefused('not here yet')
      const session = await new Postgres({ caFile: postgres.caFile }).login(
        credential.with({ host: postgres.host }),
      )
      const readOnly = () => Promise.reject(new Unreachable('a read replica'))
      return isCopy ? Object.assign(session, { setPassword: readOnly }) : session
    },
  }

  function pipelineFor(user: string, admin: string): Pipeline {
    store = new MemoryStore()
    store.create(id, 'first', app.current.with({ host: hosts[user] ?? user }))
    return {
      store,
      loadEngine: async () => engine,
      readAdmin: async () => app.admin.with({ host: hosts[admin] ?? admin }),
      readConnection: () => Promise.reject(new Error('there is none')),
      rds,
      isRotating: async () => false,
      isExecutionRunning: async () => false,
      hasChangedNothing: async () => false,
      defaults: parseOptions({}),
    }
  }
  const begin = async (pipeline: Pipeline) =>
    steps.createSecret(pipeline, { id, token: `t-${randomHex(16)}` })
  const value = async (token: string): Promise<Credential> => {
    const version = await store.read(id, { token })
    if (!version) throw new Error('no such version')
    return version.credential.with({ host: postgres.host })
  }

  async function rotate(pipeline: Pipeline) {
    const rotation = await begin(pipeline)
    for (const step of [steps.setSecret, steps.testSecret, steps.finishSecret]) await step(pipeline, rotation)
    await retire(pipeline, rotation)
    return rotation
  }

  test.each([
    ['reader', 'writer'],
    ['writer', 'reader'],
    ['replica', 'primary'],
  ])('a user at the %s rotates by an admin at the %s', async (user, admin) => {
    const pipeline = pipelineFor(user, admin)
    const { token } = await rotate(pipeline)
    expect(await admits(postgres, await value(token))).toBe(true)
    expect(await admits(postgres, app.current)).toBe(false)
    // The user logs in at the host of its value, and the password is set at the admin's host.
    expect(new Set(logins)).toEqual(new Set([`user ${user}`, `admin ${admin}`, `user_clone ${user}`]))
  })

  test('RDS is not asked if user and admin name the same server, in upper or lower case', async () => {
    await rotate(pipelineFor('writer', hosts.writer?.toUpperCase() ?? ''))
    expect(rds).not.toHaveBeenCalled()
  })

  test.each([
    ['primary', 'replica'],
    ['primary', 'writer'],
    ['reader', 'db.example.com'],
  ])(
    'a user at the %s with an admin at the %s throws HostMismatch, and nothing changes',
    async (user, admin) => {
      const pipeline = pipelineFor(user, admin)
      const rotation = await begin(pipeline)
      await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({
        name: 'HostMismatch',
        message: expect.stringContaining('the admin was not used'),
      })
      expect(logins).toEqual([`user ${user}`])
      expect(await admits(postgres, await value(rotation.token))).toBe(false)
    },
  )

  test('RDS is not asked about an admin of another engine', async () => {
    const pipeline = pipelineFor('reader', 'writer')
    const { username, password } = app.admin
    const other = Credential.parse(
      JSON.stringify({ engine: 'mysql', host: hosts.writer, username, password }),
    )
    const rotation = await begin(pipeline)
    await expect(
      steps.setSecret({ ...pipeline, readAdmin: async () => other }, rotation),
    ).rejects.toMatchObject({
      name: 'HostMismatch',
      message: expect.stringMatching(/mysql:.*postgres:/),
    })
    expect(rds).not.toHaveBeenCalled()
  })

  test('HostMismatch says so if RDS may not be asked or does not answer', async () => {
    const pipeline = pipelineFor('reader', 'writer')
    const rotation = await begin(pipeline)
    server.refuse = () => 'AccessDenied'
    await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({
      name: 'HostMismatch',
      message: expect.stringMatching(/cluster-ro-.* RDS did not tell .*\(RDS: no\); the admin was not used/),
    })
    rds.mockResolvedValue(new Rds(rdsClient('http://127.0.0.1:1')))
    await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({
      name: 'HostMismatch',
      message: expect.stringMatching(/cluster-ro-.*\(RDS: ECONNREFUSED\)/),
    })
    expect(logins.some(login => login.startsWith('admin'))).toBe(false)
  })

  test('a busy RDS throws Throttled, so that the step is retried', async () => {
    const pipeline = pipelineFor('reader', 'writer')
    const rotation = await begin(pipeline)
    server.refuse = () => 'Throttling'
    await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'Throttled' })
  })

  test('SetSecret waits until a slow replica has the new password', async () => {
    const pipeline = pipelineFor('replica', 'primary')
    const rotation = await begin(pipeline)
    late = 3
    await steps.setSecret(pipeline, rotation)
    await steps.testSecret(pipeline, rotation)
    expect(late).toBeLessThan(0)
  })

  test('a replica that is too slow for one step throws Conflict, and the next try goes on', async () => {
    LOGIN_PAUSES_MS.splice(0, Infinity, 10, 100)
    const pipeline = pipelineFor('replica', 'primary')
    const rotation = await begin(pipeline)
    late = Number.POSITIVE_INFINITY
    await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({
      name: 'Conflict',
      message: expect.stringContaining('has not come to this server yet'),
    })
    late = 0
    await steps.setSecret(pipeline, rotation)
    await steps.testSecret(pipeline, rotation)
  })

  test('a rollback before the replica has the new password closes the user at the primary', async () => {
    const pipeline = pipelineFor('replica', 'primary')
    const rotation = await begin(pipeline)
    await steps.setSecret(pipeline, rotation)
    late = 1
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    expect(await admits(postgres, await value(rotation.token))).toBe(false)
    expect(await admits(postgres, app.current)).toBe(true)
  })

  test.each([
    ['primary', 'restored'],
    ['replica', 'Unreachable'],
  ])('current, refused at a replica, is set again by an admin at the %s: %s', async (admin, outcome) => {
    const current = app.current.with({ host: hosts.replica ?? '', password: `lost-${randomHex()}` })
    const undone = new AlternatingUsers().undo(engine, {
      current,
      pending: current.with({ username: `${app.user}_clone` }),
      readPrevious: async () => undefined,
      rds,
      readAdmin: async () => app.admin.with({ host: hosts[admin] ?? '' }),
      otherRotation: async () => undefined,
      async *storedValues() {
        yield { credential: current.with({ password: app.current.password }), isInUse: async () => false }
      },
      isPreviousOpen: async () => false,
      hasChangedNothing: async () => false,
    })
    expect(await undone.catch(error => error.name)).toBe(outcome)
    const back = await admits(postgres, current.with({ host: postgres.host }))
    expect(back).toBe(outcome === 'restored')
  })

  test('a rollback with an unusable admin succeeds if current logs in', async () => {
    const pipeline = pipelineFor('replica', 'primary')
    const rotation = await begin(pipeline)
    server.refuse = () => 'AccessDenied'
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
  })
})
