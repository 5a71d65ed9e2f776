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

/** MySQL or MariaDB for the contract of engines. */
export function subjectOf(server: MysqlServer): EngineSubject {
  const mysql = server.engine === 'mysql'
  const Engine = mysql ? Mysql : Mariadb
  const longest = mysql ? 32 : 80
  const sql = async (...statements: string[]) => {
    await runStatements(server, statements)
  }
  const at = (user: string) => `${quoteName(user)}@\`%\``
  const sessions = (user: string) =>
    `select id from information_schema.processlist where user = ${quoteText(user)}`
  const setDefaultRole = (user: string, role: string) =>
    mysql ? `alter user ${at(user)} default role ${role}` : `set default role ${role} for ${at(user)}`
  /** The roles that `change` gives a user, the second with its option, and the accounts that it may stand for. */
  const rolesOf = (database: string) => [`role_of_${database}`, `option_of_${database}`] as const
  const proxiedOf = (database: string) => [`for_${database}`, `also_for_${database}`] as const
  const limits = (to: (i: number) => number) =>
    `with ${[
      'max_queries_per_hour',
      'max_updates_per_hour',
      'max_connections_per_hour',
      'max_user_connections',
      ...(mysql ? [] : ['max_statement_time']),
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
      name: () => `${'ü'.repeat(longest - 12)}${randomHex()}`,
      cloned: () => `${'ü'.repeat(longest - 18)}${randomHex()}`,
    },
    async isEncrypted(user) {
      const logins = readFileSync(server.logFile, 'utf8').matchAll(/Connect\t(.*)@\S+ on \S* ?using (.*)/g)
      return [...logins].findLast(([, name]) => name === user)?.[2] === 'SSL/TLS'
    },
    async plainTextUser() {
      const user = `plain_${randomHex()}`
      await sql(`create user ${at(user)} ${identifiedClause(server, 'p')}`)
      return credentialFor(server, user, 'p', { ssl: false })
    },
    withoutTls: received =>
      createServer(socket => {
        socket.on('data', received)
        socket.write(greetingWithoutTls())
      }),
    limitConnections: (user, to) => sql(`alter user ${at(user)} with max_user_connections ${to}`),
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
      const [role, option] = rolesOf(database)
      const [proxied, optional] = proxiedOf(database)
      await sql(
        ...[role, option].flatMap(each => [
          `create role ${each}`,
          `grant ${each} to ${at(admin.username)} with admin option`,
        ]),
        `grant ${role} to ${at(user)}`,
        `grant ${option} to ${at(user)} with admin option`,
        setDefaultRole(user, role),
        ...[proxied, optional].flatMap(each => [
          `create user ${each}`,
          `grant proxy on ${each} to ${at(admin.username)} with grant option`,
        ]),
        `grant proxy on ${proxied} to ${at(user)}`,
        `grant proxy on ${optional} to ${at(user)} with grant option`,
        `create table ${database}.t (a int, b int)`,
        `create procedure ${database}.p() select 1`,
        `grant process on *.* to ${at(user)} with grant option`,
        `grant index on ${database}.* to ${at(user)} with grant option`,
        `grant select (a), update (a, b), delete on ${database}.t to ${at(user)}`,
        `grant execute on procedure ${database}.p to ${at(user)}`,
        `alter user ${at(user)} require ssl ${limits(i => 7000 + i)} password expire interval 90 day`,
        ...(mysql
          ? [
              `alter user ${at(user)} password history 5 password reuse interval 6 day password require current
               failed_login_attempts 3 password_lock_time 2 comment 'it''s \\\\'`,
            ]
          : []),
      )
    },
    async changeBack({ user, database }) {
      await sql(
        setDefaultRole(user, 'none'),
        ...[...rolesOf(database), ...proxiedOf(database).map(each => `proxy on ${each}`)].map(
          what => `revoke ${what} from ${at(user)}`,
        ),
        `revoke process, grant option on *.* from ${at(user)}`,
        `revoke index, grant option on ${database}.* from ${at(user)}`,
        `revoke select (a), update (a, b), delete on ${database}.t from ${at(user)}`,
        `revoke execute on procedure ${database}.p from ${at(user)}`,
        // Without, MySQL goes on showing the interval.
        `alter user ${at(user)} password expire never`,
        `alter user ${at(user)} require none ${limits(() => 0)} password expire default`,
        ...(mysql
          ? [
              `alter user ${at(user)} password history default password reuse interval default
               password require current default failed_login_attempts 0 password_lock_time 0 attribute '{"comment": null}'`,
            ]
          : []),
      )
    },
    async giveStrayRole({ admin }, clone) {
      const stray = `stray_${randomHex()}`
      await sql(
        `create role ${stray}`,
        `grant ${stray} to ${at(admin.username)} with admin option`,
        `grant ${stray} to ${at(clone)}`,
      )
    },
    twoPasswords: mysql
      ? { allow: ({ user }) => sql(`grant application_password_admin on *.* to ${at(user)}`) }
      : {},
    // As a reader of Aurora does; what `read_only` does, mysqlSettings.test.ts asks.
    async standby() {
      const reader = await startMysql(server)
      const { current } = await makeApp(reader)
      await reader.restart({ innodb_read_only: 'on', ...(mysql && { skip_log_bin: '' }) })
      return { engine: new Engine({ caFile: reader.caFile }), current, stop: () => reader.stop() }
    },
    makeStranger: (_, clone, password) =>
      sql(
        `create user ${at(clone)} ${identifiedClause(server, password)}`,
        `grant select on mysql.* to ${at(clone)}`,
      ),
    makeSuperuser: (_, clone) =>
      sql(
        `create user ${at(clone)} ${identifiedClause(server, 'x')}`,
        `grant all on *.* to ${at(clone)} with grant option`,
      ),
  }
}

/** The first packet of a server: version 10 of the protocol, with all that a client needs but TLS. */
function greetingWithoutTls(): Buffer {
  const [longPassword, protocol41, secureConnection, pluginAuth] = [1 << 0, 1 << 9, 1 << 15, 1 << 19]
  const abilities = longPassword | protocol41 | secureConnection | pluginAuth
  const numbers = Buffer.alloc(2 + 1 + 2 + 2 + 1 + 10)
  numbers.writeUInt16LE(abilities & 0xffff, 0)
  numbers.writeUInt8(33, 2)
  numbers.writeUInt16LE(abilities >>> 16, 5)
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
