import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { inject } from 'vitest'
import { type PostgresServer, startPostgres } from '../../../local/servers/postgres.ts'
import {
  admits,
  credentialFor,
  makeApp,
  randomHex,
  runStatements,
} from '../../../local/servers/postgresDatabase.ts'
import { startStandbyOf } from '../../../local/servers/postgresStandby.ts'
import { Postgres } from '../../../rotation/engines/postgres/postgres.ts'
import type { EngineSubject } from '../contracts/engine.ts'

/** PostgreSQL for the engine contract. */
export function subjectOf(server: PostgresServer): EngineSubject {
  const activity = (columns: string, user: string) =>
    `select ${columns} from pg_stat_activity left join pg_stat_ssl using (pid) where usename = ${text(user)}`
  return {
    engine: options => new Postgres({ caFile: server.caFile, ...options }),
    makeApp: options => makeApp(server, options),
    admits: credential => admits(server, credential),
    logText: value => runStatements(server, `select '${value}'`).then(() => {}),
    logged: () => readFileSync(server.logFile, 'utf8'),
    strangeCaFile: inject('postgres').find(({ version }) => version !== server.version)?.caFile ?? '',
    maxLengths: {
      password: 900,
      name: () => `${'ü'.repeat(25)}_${randomHex()}`,
      cloned: () => `${'ü'.repeat(22)}_${randomHex()}`,
    },
    async isEncrypted(user) {
      const [session] = await runStatements(server, activity('ssl', user))
      return session?.ssl
    },
    async plainTextUser() {
      const [role] = await runStatements(server, `select 1 from pg_roles where rolname = 'plain'`)
      if (!role) await runStatements(server, `create role plain login`)
      await runStatements(server, `alter role plain password 'p'`)
      return credentialFor(server, 'plain', 'p', { ssl: false })
    },
    withoutTls: received =>
      createServer(socket =>
        socket.on('data', bytes => {
          received(bytes)
          socket.end('N')
        }),
      ),
    limitConnections: (user, to) =>
      runStatements(server, `alter role ${name(user)} connection limit ${to}`).then(() => {}),
    disconnect: user => runStatements(server, activity('pg_terminate_backend(pid)', user)).then(() => {}),
    queries: {
      good: 'select 1',
      slow: 'select pg_sleep(5)',
      absent: ['select * from nowhere', '42P01'],
      forbidden: 'select * from pg_authid',
    },
    async change({ user, database }) {
      const shared = `shared_${randomHex()}`
      await runStatements(
        server,
        `create role ${shared}; grant ${shared} to ${name(user)};
         alter role ${name(user)} connection limit 7 valid until '2999-01-01' createdb;
         alter role ${name(user)} set statement_timeout = '17s';
         alter role ${name(user)} in database ${database} set work_mem = '7MB'`,
      )
    },
    async changeBack({ user, database }) {
      await runStatements(
        server,
        `alter role ${name(user)} reset all; alter role ${name(user)} in database ${database} reset all;
         alter role ${name(user)} connection limit -1 valid until 'infinity' nocreatedb`,
      )
    },
    async giveStrayRole({ admin }, clone) {
      const stray = `stray_${randomHex()}`
      await runStatements(
        server,
        `create role ${stray}; grant ${stray} to ${name(admin.username)} with admin option`,
      )
      await runStatements(server, `grant ${stray} to ${name(clone)}`, 'postgres', {
        user: admin.username,
        password: admin.password,
      })
    },
    async standby() {
      const primary = await startPostgres(server.version)
      const { current } = await makeApp(primary)
      const standby = await startStandbyOf(primary)
      return {
        engine: new Postgres({ caFile: standby.caFile }),
        current: credentialFor(standby, current.username, current.password),
        async stop() {
          await standby.stop()
          await primary.stop()
        },
      }
    },
    makeStranger: (_, clone, password) =>
      runStatements(server, `create role ${name(clone)} login password ${text(password)}`).then(() => {}),
    makeSuperuser: ({ user }, clone) =>
      runStatements(
        server,
        `create role ${name(clone)} login superuser; grant ${name(user)} to ${name(clone)}`,
      ).then(() => {}),
  }
}
