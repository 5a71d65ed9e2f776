import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { inject } from 'vitest'
import { type MysqlServer, startMysql } from '../../../local/servers/mysql.ts'
import {
  admits,
  credentialFor,
  identifiedClause,
  makeApp,
  runStatements,
} from '../../../local/servers/mysqlDatabase.ts'
import { randomHex } from '../../../local/servers/postgresDatabase.ts'
import { Mariadb } from '../../../rotation/engines/mysql/mariadb.ts'
import { Mysql } from '../../../rotation/engines/mysql/mysql.ts'
import { quoteName, quoteText } from '../../../rotation/engines/mysql/mysqlAccount.ts'
import type { EngineSubject } from '../contracts/engine.ts'

/** MySQL or MariaDB for the engine contract. */
export function subjectOf(server: MysqlServer): EngineSubject {
  const isMysql = server.engine === 'mysql'
  const Engine = isMysql ? Mysql : Mariadb
  const maxNameLength = isMysql ? 32 : 80
  const sql = async (...statements: string[]) => {
    await runStatements(server, statements)
  }
  const accountOf = (user: string) => `${quoteName(user)}@\`%\``
  const sessions = (user: string) =>
    `select id from information_schema.processlist where user = ${quoteText(user)}`
  const setDefaultRole = (user: string, role: string) =>
    isMysql
      ? `alter user ${accountOf(user)} default role ${role}`
      : `set default role ${role} for ${accountOf(user)}`
  /** The roles and, for GRANT PROXY, the accounts that `change` grants a user: the second of each with the right to grant it. */
  const rolesOf = (database: string) => [`role_of_${database}`, `option_of_${database}`] as const
  const proxiedOf = (database: string) => [`for_${database}`, `also_for_${database}`] as const
  const limits = (to: (i: number) => number) =>
    `with ${[
      'max_queries_per_hour',
      'max_updates_per_hour',
      'max_connections_per_hour',
      'max_user_connections',
      ...(isMysql ? [] : ['max_statement_time']),
    ]
      .map((name, i) => `${name} ${to(i)}`)
      .join(' ')}`
  return {
    engine: options => new Engine({ caFile: server.caFile, ...options }),
    makeApp: options => makeApp(server, options),
    admits: credential => admits(server, credential),
    logText: value => sql(`select '${value}'`, `create database db_${value}`),
    logged: () =>
      [server.logFile, join(dirname(server.logFile), 'binlog.000001')]
        .map(file => readFileSync(file, 'utf8'))
        .join('\n'),
    strangeCaFile: inject('postgres')[0]?.caFile ?? '',
    maxLengths: {
      password: 255,
      name: () => `${'ü'.repeat(maxNameLength - 12)}${randomHex()}`,
      cloned: () => `${'ü'.repeat(maxNameLength - 18)}${randomHex()}`,
    },
    async isEncrypted(user) {
      const logins = readFileSync(server.logFile, 'utf8').matchAll(/Connect\t(.*)@\S+ on \S* ?using (.*)/g)
      return [...logins].findLast(([, name]) => name === user)?.[2] === 'SSL/TLS'
    },
    async plainTextUser() {
      const user = `plain_${randomHex()}`
      await sql(`create user ${accountOf(user)} ${identifiedClause(server, 'p')}`)
      return credentialFor(server, user, 'p', { ssl: false })
    },
    withoutTls: received =>
      createServer(socket => {
        socket.on('data', received)
        socket.write(greetingWithoutTls())
      }),
    limitConnections: (user, to) => sql(`alter user ${accountOf(user)} with max_user_connections ${to}`),
    async disconnect(user) {
      const rows = await runStatements<{ id: number }>(server, sessions(user))
      for (const { id } of rows) await sql(`kill ${id}`)
    },
    queries: {
      good: 'select 1',
      slow: `select count(*) from ${Array(5)
        .fill('information_schema.collations')
        .map((t, i) => `${t} t${i}`)
        .join(', ')}`,
      absent: ['select no_such_column', '1054'],
      forbidden: 'select * from mysql.user',
    },
    async change({ user, database, admin }) {
      const [role, roleWithOption] = rolesOf(database)
      const [proxied, proxiedWithOption] = proxiedOf(database)
      await sql(
        ...[role, roleWithOption].flatMap(each => [
          `create role ${each}`,
          `grant ${each} to ${accountOf(admin.username)} with admin option`,
        ]),
        `grant ${role} to ${accountOf(user)}`,
        `grant ${roleWithOption} to ${accountOf(user)} with admin option`,
        setDefaultRole(user, role),
        ...[proxied, proxiedWithOption].flatMap(each => [
          `create user ${each}`,
          `grant proxy on ${each} to ${accountOf(admin.username)} with grant option`,
        ]),
        `grant proxy on ${proxied} to ${accountOf(user)}`,
        `grant proxy on ${proxiedWithOption} to ${accountOf(user)} with grant option`,
        `create table ${database}.t (a int, b int)`,
        `create procedure ${database}.p() select 1`,
        `grant process on *.* to ${accountOf(user)} with grant option`,
        `grant index on ${database}.* to ${accountOf(user)} with grant option`,
        `grant select (a), update (a, b), delete on ${database}.t to ${accountOf(user)}`,
        `grant execute on procedure ${database}.p to ${accountOf(user)}`,
        `alter user ${accountOf(user)} require ssl ${limits(i => 7000 + i)} password expire interval 90 day`,
        ...(isMysql
          ? [
              `alter user ${accountOf(user)} password history 5 password reuse interval 6 day password require current
               failed_login_attempts 3 password_lock_time 2 comment 'it''s \\\\'`,
            ]
          : []),
      )
    },
    async changeBack({ user, database }) {
      await sql(
        setDefaultRole(user, 'none'),
        ...[...rolesOf(database), ...proxiedOf(database).map(each => `proxy on ${each}`)].map(
          what => `revoke ${what} from ${accountOf(user)}`,
        ),
        `revoke process, grant option on *.* from ${accountOf(user)}`,
        `revoke index, grant option on ${database}.* from ${accountOf(user)}`,
        `revoke select (a), update (a, b), delete on ${database}.t from ${accountOf(user)}`,
        `revoke execute on procedure ${database}.p from ${accountOf(user)}`,
        // Without this statement, MySQL still shows the interval.
        `alter user ${accountOf(user)} password expire never`,
        `alter user ${accountOf(user)} require none ${limits(() => 0)} password expire default`,
        ...(isMysql
          ? [
              `alter user ${accountOf(user)} password history default password reuse interval default
               password require current default failed_login_attempts 0 password_lock_time 0 attribute '{"comment": null}'`,
            ]
          : []),
      )
    },
    async giveStrayRole({ admin }, clone) {
      const stray = `stray_${randomHex()}`
      await sql(
        `create role ${stray}`,
        `grant ${stray} to ${accountOf(admin.username)} with admin option`,
        `grant ${stray} to ${accountOf(clone)}`,
      )
    },
    twoPasswords: isMysql
      ? { allow: ({ user }) => sql(`grant application_password_admin on *.* to ${accountOf(user)}`) }
      : {},
    // A reader of Aurora has innodb_read_only. mysqlSettings.test.ts tests read_only.
    async standby() {
      const reader = await startMysql(server)
      const { current } = await makeApp(reader)
      await reader.restart({ innodb_read_only: 'on', ...(isMysql && { skip_log_bin: '' }) })
      return { engine: new Engine({ caFile: reader.caFile }), current, stop: () => reader.stop() }
    },
    makeStranger: (_, clone, password) =>
      sql(
        `create user ${accountOf(clone)} ${identifiedClause(server, password)}`,
        `grant select on mysql.* to ${accountOf(clone)}`,
      ),
    makeSuperuser: (_, clone) =>
      sql(
        `create user ${accountOf(clone)} ${identifiedClause(server, 'x')}`,
        `grant all on *.* to ${accountOf(clone)} with grant option`,
      ),
  }
}

/**
 * The first packet of a server: HandshakeV10, with all capabilities that a client needs except TLS.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
 */
function greetingWithoutTls(): Buffer {
  const [longPassword, protocol41, secureConnection, pluginAuth] = [1 << 0, 1 << 9, 1 << 15, 1 << 19]
  const capabilities = longPassword | protocol41 | secureConnection | pluginAuth
  const numbers = Buffer.alloc(2 + 1 + 2 + 2 + 1 + 10)
  numbers.writeUInt16LE(capabilities & 0xffff, 0)
  numbers.writeUInt8(33, 2)
  numbers.writeUInt16LE(capabilities >>> 16, 5)
  numbers.writeUInt8(21, 7)
  const scramble = Buffer.alloc(20, 'x')
  const body = Buffer.concat([
    Buffer.from('\n9.0.0\0\x01\0\0\0'),
    scramble.subarray(0, 8),
    Buffer.from('\0'),
    numbers,
    scramble.subarray(8),
    Buffer.from('\0mysql_native_password\0'),
  ])
  return Buffer.concat([Buffer.from([body.length, 0, 0, 0]), body])
}
