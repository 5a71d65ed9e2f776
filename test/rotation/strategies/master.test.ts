import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateDBClusterCommand,
  CreateDBInstanceCommand,
  CreateDBInstanceReadReplicaCommand,
} from '@aws-sdk/client-rds'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { type App, randomHex } from '../../../local/servers/postgresDatabase.ts'
import { pythonBin } from '../../../local/stack/python.ts'
import type { Credential } from '../../../rotation/credential.ts'
import type { Engine } from '../../../rotation/engines/engine.ts'
import { Mysql } from '../../../rotation/engines/mysql/mysql.ts'
import { Postgres } from '../../../rotation/engines/postgres/postgres.ts'
import { parseOptions } from '../../../rotation/options.ts'
import type { Pipeline } from '../../../rotation/pipeline.ts'
import { Rds } from '../../../rotation/rds.ts'
import { rollback } from '../../../rotation/rollback.ts'
import * as steps from '../../../rotation/steps.ts'
import { MemoryStore } from '../../../rotation/stores/memory.ts'
import { LOGIN_PAUSES_MS } from '../../../rotation/strategies/login.ts'
import { cluster, instance, type RdsServer, startRds } from '../../support/rds.ts'
import { mysqlTestServers, postgresTestServers } from '../../support/testServers.ts'

const bin = await pythonBin()
const [postgres] = inject('postgres')
const mysql = inject('mysql').find(({ engine }) => engine === 'mysql')
const id = 'master'

const subjects = [
  {
    server: postgres,
    place: postgresTestServers().find(({ name }) => name === `PostgreSQL ${postgres?.version}`),
    engine: new Postgres({ caFile: postgres?.caFile ?? '' }) as Engine,
    aurora: 'aurora-postgresql',
  },
  {
    server: mysql,
    place: mysqlTestServers('mysql')[0],
    engine: new Mysql({ caFile: mysql?.caFile ?? '' }) as Engine,
    aurora: 'aurora-mysql',
  },
]
const found = subjects.flatMap(({ server, place, ...rest }) =>
  server && place ? { server, place, ...rest } : [],
)

describe.skipIf(!bin).each(found)(
  'the master of a database on $place.name',
  ({ server, place, engine, aurora }) => {
    let rds: RdsServer
    let app: App
    let hosts: Record<'lone' | 'copy' | 'group', string>
    let store: MemoryStore
    let pipeline: Pipeline
    /** How many milliseconds pass until the server has a password that RDS is told to set. */
    let delay: number
    let setting: boolean
    /** The changes that RDS was told to apply at once. */
    let immediately: (string | null)[]

    /** Changes the password on the real server, as RDS does some time after the call. */
    async function take(password: string): Promise<void> {
      setting = true
      await sleep(delay)
      await place.reset({ ...app, current: app.current.with({ password }) }, undefined)
      setting = false
    }
    let taking: Promise<void> | undefined

    beforeAll(async () => {
      LOGIN_PAUSES_MS.splice(0, Infinity, 10, 100, 400, 1000)
      rds = await startRds(bin ?? '')
      app = await place.makeApp('master')
      const Port = server.port
      const more = { Port, MasterUsername: app.user }
      const engineName = app.current.engine
      const lone = await rds.client.send(
        new CreateDBInstanceCommand({
          ...{ ...instance, ...more, Engine: engineName, DBInstanceIdentifier: 'lone' },
        }),
      )
      const group = await rds.client.send(
        new CreateDBClusterCommand({ ...cluster, ...more, Engine: aurora, DBClusterIdentifier: 'group' }),
      )
      const copy = { DBInstanceIdentifier: 'copy', SourceDBInstanceIdentifier: 'lone' }
      await rds.client.send(new CreateDBInstanceReadReplicaCommand(copy))
      const address = `${lone.DBInstance?.Endpoint?.Address}`
      hosts = {
        lone: address,
        copy: address.replace('lone.', 'copy.'),
        group: `${group.DBCluster?.Endpoint}`,
      }
    })
    afterAll(async () => {
      await app?.drop()
      await rds?.stop()
    })

    beforeEach(async () => {
      await taking
      delay = 300
      await place.reset(app, undefined)
      rds.calls = []
      immediately = []
      rds.edit = answer =>
        setting
          ? answer.replace(
              /<PendingModifiedValues\s*\/>|<PendingModifiedValues>.*?<\/PendingModifiedValues>|(?=<MasterUsername>)/,
              '<PendingModifiedValues><MasterUserPassword>****</MasterUserPassword></PendingModifiedValues>',
            )
          : answer
      rds.refuse = call => {
        const password = call.get('MasterUserPassword')
        if (password) immediately.push(call.get('ApplyImmediately'))
        if (password && Number.isFinite(delay)) taking = take(password)
        return undefined
      }
      begin()
    })

    function begin(change: Parameters<Credential['with']>[0] = {}): void {
      store = new MemoryStore()
      const first = app.current.with({ host: hosts.lone, ...change })
      store.create(id, 'first', first, { 'keyturn:strategy': 'master' })
      pipeline = {
        store,
        // Every host leads to the one server.
        loadEngine: async () => ({
          login: credential => engine.login(credential.with({ host: server.host })),
        }),
        readAdmin: () => Promise.reject(new Error('not needed')),
        readConnection: () => Promise.reject(new Error('there is none')),
        rds: async () => new Rds(rds.client),
        isRotating: async () => false,
        isExecutionRunning: async () => false,
        hasChangedNothing: async () => false,
        defaults: parseOptions({}),
      }
    }
    const create = () => steps.createSecret(pipeline, { id, token: `t-${randomHex(16)}` })
    const admits = async (token: string) => {
      const version = await store.read(id, { token })
      if (!version) throw new Error('no such version')
      return place.admits(version.credential.with({ host: server.host }))
    }
    const modified = () => rds.calls.filter(action => action.startsWith('Modify'))

    test.each([
      // Other pending changes of the instance still wait for its maintenance window.
      ['lone', 'ModifyDBInstance', null],
      ['group', 'ModifyDBCluster', 'true'],
    ] as const)(
      'of a database %s: setSecret waits until the server has the password',
      async (name, action, atOnce) => {
        begin({ host: hosts[name] })
        const rotation = await create()
        await steps.setSecret(pipeline, rotation)
        expect([await admits('first'), await admits(rotation.token)]).toEqual([false, true])
        await steps.testSecret(pipeline, rotation)
        await steps.finishSecret(pipeline, rotation)
        expect(modified()).toEqual([action])
        // Again, with the value that is current now.
        const next = await create()
        for (const step of [steps.setSecret, steps.setSecret, steps.testSecret, steps.finishSecret])
          await step(pipeline, next)
        expect(await admits(next.token)).toBe(true)
        expect(modified()).toEqual([action, action])
        expect(immediately).toEqual([atOnce, atOnce])
      },
    )

    test('setSecret throws RdsBusy while RDS is at work, and sets no other password', async () => {
      delay = 1000
      const rotation = await create()
      const pending = await store.read(id, { token: rotation.token })
      if (pending) await (await pipeline.rds()).setMasterPassword(pending.credential)
      await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'RdsBusy' })
      await taking
      await steps.setSecret(pipeline, rotation)
      expect(modified()).toHaveLength(1)
    })

    test('setSecret throws RdsBusy if RDS takes longer than a step can wait, until the password is there', async () => {
      delay = 2000
      const rotation = await create()
      await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'RdsBusy' })
      await taking
      await steps.setSecret(pipeline, rotation)
      expect(await admits(rotation.token)).toBe(true)
      expect(modified()).toHaveLength(1)
    })

    test('setSecret throws Conflict for a password that never arrives, and the rollback succeeds', async () => {
      delay = Number.POSITIVE_INFINITY
      const rotation = await create()
      await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({
        name: 'Conflict',
        message: expect.stringContaining('has not come to this server yet'),
      })
      expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
      expect([await admits('first'), await admits(rotation.token)]).toEqual([true, false])
    })

    test('a rollback throws RdsBusy while RDS is at work, and then restores the password', async () => {
      delay = 1000
      const rotation = await create()
      const pending = await store.read(id, { token: rotation.token })
      if (pending) await (await pipeline.rds()).setMasterPassword(pending.credential)
      // Current still logs in, which does not prove that RDS has finished.
      expect(await admits('first')).toBe(true)
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ name: 'RdsBusy' })
      await taking
      expect(await admits('first')).toBe(false)
      expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
      expect([await admits('first'), await admits(rotation.token)]).toEqual([true, false])
      expect((await store.describe(id)).pending).toBeUndefined()
    })

    test('setSecret throws LoginRefused, and calls no RDS, if no stored value logs in', async () => {
      begin({ password: 'guessed' })
      const rotation = await create()
      await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
      expect(rds.calls).toEqual([])
    })

    test.each([
      ['another user than the master', {}, /(?<=<MasterUsername>)[^<]+/, 'username', /which is somebody/],
      ['a master whose password RDS manages', {}, /(?=<MasterUsername>)/, 'username', /RDS manages/],
      ['a read replica', { host: 'copy' }, /never/, 'host', /no replica/],
      ['a server elsewhere', { host: 'db.example.com' }, /never/, 'host', /endpoint of RDS/],
      ['another port', { port: 1 }, /never/, 'host', /endpoint of RDS/],
    ])('%s is refused before anything changes', async (_, change, where, field, message) => {
      const host = 'host' in change ? (hosts[change.host as 'copy'] ?? change.host) : hosts.lone
      begin({ ...change, host })
      const managed = '<MasterUserSecret><SecretArn>arn</SecretArn></MasterUserSecret>'
      rds.edit = answer =>
        answer.replace(where, String(where) === '/(?=<MasterUsername>)/' ? managed : 'somebody')
      const rotation = await create()
      // Every port leads to the one server.
      pipeline.loadEngine = async () => ({
        login: credential => engine.login(credential.with({ host: server.host, port: server.port })),
      })
      await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({
        name: 'InvalidCredential',
        field,
        message,
      })
      expect(modified()).toEqual([])
      expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    })

    test.each([
      ['InvalidParameterValue', 'InvalidCredential', /^password: .*8 to 41/],
      ['InvalidDBInstanceState', 'RdsBusy', /at work/],
      ['AccessDenied', 'NotPermitted', /^RDS: no$/],
    ])('the answer %s of RDS to the change throws %s', async (code, name, message) => {
      rds.refuse = call => (call.get('Action')?.startsWith('Modify') ? code : undefined)
      const rotation = await create()
      await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({ name, message })
      expect(await admits('first')).toBe(true)
    })

    test('a rollback succeeds without RDS if RDS may not be asked', async () => {
      rds.refuse = () => 'AccessDenied'
      const rotation = await create()
      await expect(steps.setSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'NotPermitted' })
      expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    })

    test('a rollback throws Throttled if RDS does not answer, as the password may have been changed', async () => {
      const rotation = await create()
      rds.refuse = () => 'Throttling'
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ name: 'Throttled' })
    })
  },
)
