import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { describe, expect, inject, test } from 'vitest'
import type { Credential } from '../../rotation/credential.ts'
import { engineTraits } from '../../rotation/engines/traits.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import { type MatrixServer, mysqlTestServer, postgresTestServer } from '../support/testServers.ts'
import { type Moment, World } from '../world/world.ts'

/** A pool of the application. Each query returns the server's session that ran it. */
type Pool = { ask(): Promise<unknown>; end(): Promise<void> }

const SIZE = 3
const ca = (caFile: string) => readFileSync(caFile, 'utf8')

const kinds = [
  ...inject('postgres')
    .slice(0, 1)
    .map(server => ({
      name: 'pg',
      place: postgresTestServer(server),
      open({ username: user, password, dbname: database }: Credential): Pool {
        const { host, port, caFile } = server
        const pool = new pg.Pool({
          ...{ host, port, user, password, database, ssl: { ca: ca(caFile) } },
          ...{ max: SIZE, min: SIZE, idleTimeoutMillis: 0 },
        })
        const ask = async () => (await pool.query('select pg_backend_pid() as id, pg_sleep(0.01)')).rows[0].id
        return { ask, end: () => pool.end() }
      },
    })),
  ...inject('mysql').map(server => ({
    name: `mysql2 on ${server.name}`,
    place: mysqlTestServer(server),
    open({ username: user, password, dbname: database }: Credential): Pool {
      const { host, port, caFile } = server
      const pool = mysql.createPool({
        ...{ host, port, user, password, ssl: { ca: ca(caFile) } },
        ...(database && { database }),
        ...{ connectionLimit: SIZE, maxIdle: SIZE },
      })
      const ask = async () => {
        const [[row]] = await pool.query<mysql.RowDataPacket[]>('select connection_id() as id, sleep(0.01)')
        return row?.id
      }
      return { ask, end: () => pool.end() }
    },
  })),
]

/** Queries over every connection of the pool repeatedly, until it is stopped. */
function use(pool: Pool) {
  const sessions = new Set<unknown>()
  const failures: string[] = []
  let answered = new Set<unknown>()
  let running = true
  const user = async () => {
    while (running) {
      const since = answered
      await pool.ask().then(
        session => {
          for (const all of [sessions, since]) all.add(session)
        },
        error => failures.push(String(error)),
      )
    }
  }
  const users = Array.from({ length: SIZE }, user)
  return {
    /** Waits until every connection has answered a query that began after this call, or one has failed. */
    async goesOn() {
      const since = new Set<unknown>()
      answered = since
      while (since.size < SIZE && !failures.length) await sleep(5)
    },
    async stop() {
      running = false
      await Promise.all(users)
      await pool.end()
      return { failures, sessions: sessions.size }
    },
  }
}

const scenesOf = ({ engine }: { engine: Credential['engine'] }) =>
  (Object.keys(engineTraits[engine].actorByStrategy) as StrategyName[]).filter(name => name !== 'master')

describe.each(kinds)(
  'a pool of $name',
  ({ place, open }: { place: MatrixServer; open(value: Credential): Pool }) => {
    const engine = place.name.startsWith('PostgreSQL')
      ? 'postgres'
      : place.name.startsWith('MySQL')
        ? 'mysql'
        : 'mariadb'

    test.each(scenesOf({ engine }))(
      '%s closes no session of the pool, even over two rotations',
      async strategy => {
        const world = await World.create(place, strategy, 'user')
        const application = use(open(await world.current()))
        await application.goesOn()
        for (const rotation of ['the first', 'the second']) {
          const moments: Moment[] = []
          const { end } = await world.rotate(async moment => {
            moments.push(moment)
            await application.goesOn()
          })
          await application.goesOn()
          expect({ end, moments }, rotation).toEqual({
            end: 'rotated',
            moments: ['before', 'after create', 'after set'],
          })
        }
        expect(await application.stop()).toEqual({ failures: [], sessions: SIZE })
      },
    )

    test('a pool that was opened on a temporary clone works after the move back, if the clone is kept', async () => {
      const world = await World.create(place, 'temporary-clone', 'clone')
      const application = use(open(await world.current()))
      await application.goesOn()
      const { end, retirement } = await world.rotate(() => application.goesOn())
      expect([end, retirement?.name]).toEqual(['rotated', 'Conflict'])
      await application.goesOn()
      expect(await application.stop()).toEqual({ failures: [], sessions: SIZE })
    })
  },
)
