import { type Db, type Document, MongoClient } from 'mongodb'
import mysql from 'mysql2/promise'
import pg, { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { inject } from 'vitest'
import type { MongodbServer } from '../../local/servers/mongodb.ts'
import * as mongodb from '../../local/servers/mongodbDatabase.ts'
import type { MysqlServer } from '../../local/servers/mysql.ts'
import * as family from '../../local/servers/mysqlDatabase.ts'
import type { PostgresServer } from '../../local/servers/postgres.ts'
import type { App } from '../../local/servers/postgresDatabase.ts'
import * as postgres from '../../local/servers/postgresDatabase.ts'
import type { RedisServer } from '../../local/servers/redis.ts'
import * as redis from '../../local/servers/redisDatabase.ts'
import type { Credential } from '../../rotation/credential.ts'
import type { Engine } from '../../rotation/engines/engine.ts'
import { Mongodb } from '../../rotation/engines/mongodb/mongodb.ts'
import { Mariadb } from '../../rotation/engines/mysql/mariadb.ts'
import { Mysql } from '../../rotation/engines/mysql/mysql.ts'
import { accountName } from '../../rotation/engines/mysql/mysqlAccount.ts'
import { Postgres } from '../../rotation/engines/postgres/postgres.ts'
import { scramVerifier } from '../../rotation/engines/postgres/scram.ts'
import { Redis } from '../../rotation/engines/redis/redis.ts'
import { passwordDigest } from '../../rotation/engines/redis/redisAcl.ts'
import { connect, type RedisConnection } from '../../rotation/engines/redis/redisConnection.ts'
import { Redshift } from '../../rotation/engines/redshift/redshift.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import * as redshift from './engines/redshiftStandIn.ts'

/**
 * Runs a login or a statement. It may throw before the effect, or after it without returning its result, to play a process
 * that dies.
 */
export type RunThrough = <T>(name: string, effect: () => Promise<T>) => Promise<T>

/** A real server on which the fault matrix runs. */
export type MatrixServer = {
  name: string
  /** The file to which the server logs every statement. */
  logFile: string
  /** Tags that a secret for this server has beside its strategy. */
  tags?: Record<string, string>
  /** Makes an engine that runs each login and each statement that changes something through `call`. */
  engine(call: RunThrough): Engine
  /** Makes a user and an admin that have the rights which the strategy needs. */
  makeApp(strategy: StrategyName): Promise<App>
  /** @returns whether user and password log in now, by a client that is not Keyturn's engine */
  admits(credential: Credential): Promise<boolean>
  /** Sets the password of an existing user without the engine, as an operator might. */
  setPassword(credential: Credential): Promise<unknown>
  /** Sets the user's password, and makes its clone with the password of `clone`, or drops the clone if there is none. */
  reset(app: App, clone: Credential | undefined): Promise<void>
  /** Drops an app's users and its admin. Only servers that can hold few users have this. */
  clear?(app: App): Promise<void>
}

/** The newest and the oldest PostgreSQL, between which versions differ most. */
export function postgresTestServers(): MatrixServer[] {
  const servers = inject('postgres')
  return [...servers.slice(0, 1), ...servers.slice(-1)].map(postgresTestServer)
}

/** A PostgreSQL for the fault matrix. */
export function postgresTestServer(server: PostgresServer): MatrixServer {
  const verifier = async ({ password }: Credential) => text(await scramVerifier(password))
  return {
    name: `PostgreSQL ${server.version}`,
    logFile: server.logFile,
    engine: call => new Postgres({ caFile: server.caFile, Client: wrapClientClass(call) }),
    makeApp: () => postgres.makeApp(server),
    admits: credential => postgres.admits(server, credential),
    setPassword: async credential =>
      postgres.runStatements(
        server,
        `alter role ${name(credential.username)} password ${await verifier(credential)}`,
      ),
    async reset({ user, current, admin }, clone) {
      const [u, c] = [name(user), name(`${user}_clone`)]
      const own = `alter role ${u} password ${await verifier(current)}`
      if (!clone) {
        await postgres.runStatements(server, `drop role if exists ${c}; ${own}`)
        return
      }
      const [exists] = await postgres.runStatements(
        server,
        `select 1 from pg_roles where rolname = ${text(clone.username)}`,
      )
      // The admin creates the clone, as a first rotation does.
      if (!exists)
        await postgres.runStatements(server, `create role ${c} login; grant ${u} to ${c}`, 'postgres', {
          user: admin.username,
          password: admin.password,
        })
      await postgres.runStatements(server, `${own}; alter role ${c} password ${await verifier(clone)}`)
    },
  }
}

/** @returns a subclass of a client that runs each login, and each statement for which `kindOf` has a name, through `call` */
export function wrapClientClass(
  call: RunThrough,
  Client: typeof pg.Client = pg.Client,
  kindOf: (statement: string) => string | undefined = postgresKind,
): typeof pg.Client {
  return class extends Client {
    constructor(config: pg.ClientConfig) {
      super(config)
      const [connect, query] = [this.connect.bind(this), this.query.bind(this)]
      this.connect = (() => call('login', () => connect())) as pg.Client['connect']
      this.query = ((statement: string | pg.QueryConfig) => {
        const kind = typeof statement === 'string' ? kindOf(statement) : undefined
        return kind ? call(`statement ${kind}`, () => query(statement as string)) : query(statement as string)
      }) as unknown as pg.Client['query']
    }
  }
}

function postgresKind(statement: string): string {
  if (statement.includes(' password null')) return 'lock'
  if (statement.includes(' password ')) return 'password'
  if (statement.includes('pg_shdepend')) return 'roles'
  return statement.includes('pg_backend_pid()') ? 'prepare' : 'other'
}

/** The server that stands in for Redshift, or none if this system cannot run it. */
export const redshiftTestServers = () => redshift.standInServers().map(redshiftTestServer)

/** Redshift's stand-in for the fault matrix. */
export function redshiftTestServer(server: PostgresServer): MatrixServer {
  return {
    name: 'Redshift',
    logFile: server.logFile,
    engine: call =>
      new Redshift({
        caFile: server.caFile,
        Client: wrapClientClass(call, redshift.StandInClient, redshiftKind),
      }),
    makeApp: () => redshift.makeApp(server),
    admits: credential => postgres.admits(server, credential),
    setPassword: credential => postgres.runStatements(server, redshift.setPasswordStatement(credential)),
    async reset({ user, current, database }, clone) {
      const c = name(`${user}_clone`)
      const own = redshift.setPasswordStatement(current)
      if (!clone) {
        const [exists] = await postgres.runStatements(
          server,
          `select 1 from pg_user where usename = ${text(`${user}_clone`)}`,
        )
        await postgres.runStatements(
          server,
          `${exists ? `drop owned by ${c}; drop user ${c};` : ''} ${own}`,
          database,
        )
        return
      }
      await postgres.runStatements(
        server,
        `do $$ begin create user ${c}; exception when duplicate_object then end $$;
         grant create, temp on database ${database} to ${c}; ${own}; ${redshift.setPasswordStatement(clone)}`,
        database,
      )
    },
  }
}

/**
 * @returns undefined for a statement that only reads or sets up the session: a process that dies there has changed as much as
 * one that dies before the next change
 */
function redshiftKind(statement: string): string | undefined {
  if (/^(select|begin; set|rollback)\b/.test(statement)) return undefined
  return statement.includes(' password ') ? 'password' : statement.split(' ', 1)[0]
}

/** The newest server of MySQL or MariaDB, or none if this system cannot run it. */
export const mysqlTestServers = (engine: MysqlServer['engine']) =>
  inject('mysql')
    .filter(server => server.engine === engine)
    .slice(-1)
    .map(mysqlTestServer)

/** A MySQL or MariaDB for the fault matrix. */
export function mysqlTestServer(server: MysqlServer): MatrixServer {
  const Engine = server.engine === 'mysql' ? Mysql : Mariadb
  return {
    name: server.name,
    logFile: server.logFile,
    engine: call =>
      new Engine({
        caFile: server.caFile,
        async connect(config) {
          let opened: mysql.Connection | undefined
          const login = async () => {
            opened = await mysql.createConnection(config)
            return opened
          }
          // The system does this when a process dies.
          const connection = await call('login', login).catch(error => {
            opened?.destroy()
            throw error
          })
          const query: (options: unknown) => Promise<never> = connection.query.bind(connection) as never
          const wrapped = (options: { sql: string }) => {
            const kind = mysqlKind(options.sql)
            return kind ? call(`statement ${kind}`, () => query(options)) : query(options)
          }
          return Object.assign(connection, { query: wrapped as never })
        },
      }),
    async makeApp(strategy) {
      const app = await family.makeApp(server)
      if (server.engine === 'mysql' && strategy === 'dual-password')
        await family.runStatements(server, `grant application_password_admin on *.* to ${app.user}`)
      return app
    },
    admits: credential => family.admits(server, credential),
    setPassword: ({ username, password }) =>
      family.runStatements(
        server,
        `alter user ${accountName(username, '%')} ${family.identifiedClause(server, password)}`,
      ),
    async reset({ user, current, database }, clone) {
      const u = accountName(user, '%')
      const c = accountName(`${user}_clone`, '%')
      const own = [
        `alter user ${u} ${family.identifiedClause(server, current.password)}`,
        ...(server.engine === 'mysql' ? [`alter user ${u} discard old password`] : []),
      ]
      await family.runStatements(
        server,
        clone
          ? [
              ...own,
              `create user if not exists ${c}`,
              `grant select, insert, update, delete, create, drop on ${database}.* to ${c}`,
              `alter user ${c} ${family.identifiedClause(server, clone.password)}`,
            ]
          : [...own, `drop user if exists ${c}`],
      )
    },
  }
}

/**
 * @returns undefined for a statement that only reads or sets up the session: a process that dies there has changed as much as
 * one that dies before the next change
 */
function mysqlKind(statement: string): string | undefined {
  if (/^(show|select|set session)/.test(statement)) return undefined
  if (/^(alter user .* identified|set password)/.test(statement)) return 'password'
  return statement.split(' ', 1)[0]
}

export const mongodbTestServers = () => inject('mongodb').map(mongodbTestServer)

/** Amazon DocumentDB's engine for the fault matrix. */
export function mongodbTestServer(server: MongodbServer): MatrixServer {
  return {
    name: server.name,
    logFile: server.logFile,
    engine(call) {
      class Client extends MongoClient {
        override connect = () => call('login', () => super.connect())
        override db(name?: string): Db {
          const db = super.db(name)
          const command = (command: Document) => Object.getPrototypeOf(db).command.call(db, command)
          const wrapped = (document: Document) => {
            const kind = mongodbKind(document)
            return kind ? call(`statement ${kind}`, () => command(document)) : command(document)
          }
          return Object.assign(db, { command: wrapped as Db['command'] })
        }
      }
      return new Mongodb({ caFile: server.caFile, Client })
    },
    // TLS and looking a name up take half of a login's time, and the contract tests both.
    makeApp: () => mongodb.makeApp(server, { more: { ssl: false, host: '127.0.0.1' } }),
    admits: credential => mongodb.admits(server, credential),
    setPassword: ({ username, password }) =>
      mongodb.runBehindGateway(server, mongodb.updateUserStatement(username, password)),
    reset: ({ user, current, admin }, clone) =>
      mongodb.runBehindGateway(
        server,
        [
          `drop role if exists ${name(`${user}_clone`)}`,
          mongodb.updateUserStatement(user, current.password),
          ...(clone ? [mongodb.createUserStatement(clone.username, clone.password, 'readAnyDatabase')] : []),
        ].join(';'),
        admin.username,
      ),
    async clear({ user, admin }) {
      for (const role of [user, `${user}_clone`, admin.username])
        if (await mongodb.hasUser(server, role))
          await mongodb.runBehindGateway(server, `drop owned by ${name(role)}; drop role ${name(role)}`)
    },
  }
}

/** @returns undefined for a command that only reads */
function mongodbKind(command: Document): string | undefined {
  if ('usersInfo' in command) return undefined
  return 'pwd' in command ? 'password' : Object.keys(command)[0]
}

/** The newest Redis or Valkey, or none if this system cannot run one. */
export const redisTestServers = () => inject('redis').slice(-1).map(redisTestServer)

/** A Redis or Valkey for the fault matrix. */
export function redisTestServer(server: RedisServer): MatrixServer {
  return {
    name: server.name,
    logFile: server.logFile,
    engine: call =>
      new Redis({
        caFile: server.caFile,
        async connect(target) {
          let opened: RedisConnection | undefined
          const login = async () => {
            opened = await connect(target)
            return opened
          }
          // The system does this when a process dies.
          const connection = await call('login', login).catch(error => {
            opened?.destroy()
            throw error
          })
          const send = connection.sendCommand.bind(connection)
          let queued: string[] = []
          connection.sendCommand = command => {
            const words = command.map(String)
            const [name, subcommand = ''] = words
            if (['SETUSER', 'DELUSER'].includes(subcommand)) queued = words
            // Queued commands have no effect before EXEC.
            return name === 'EXEC'
              ? call(`statement ${redisKind(queued)}`, () => send(command))
              : send(command)
          }
          return connection
        },
      }),
    // Without TLS, which takes longer than everything else here, and which the contract tests.
    makeApp: strategy =>
      redis.makeApp(
        { ...server, port: server.plainPort },
        { ordinary: strategy !== 'single-user', more: { ssl: false } },
      ),
    admits: credential => redis.admits(server, credential),
    setPassword: ({ username, password }) =>
      redis.runCommands(server, [['ACL', 'SETUSER', username, 'resetpass', `#${passwordDigest(password)}`]]),
    async reset({ user, current }, clone) {
      const password = ({ password }: Credential) => ['resetpass', `#${passwordDigest(password)}`]
      await redis.runCommands(server, [
        ['ACL', 'SETUSER', user, ...password(current)],
        clone
          ? ['ACL', 'SETUSER', clone.username, 'on', '~shared:*', '+@read', ...password(clone)]
          : ['ACL', 'DELUSER', `${user}_clone`],
      ])
    },
  }
}

function redisKind([, subcommand, , ...rules]: string[]): string {
  if (subcommand === 'DELUSER') return 'drop'
  if (rules.includes('reset')) return 'clone'
  return rules.some(rule => rule.startsWith('#')) ? 'password' : 'lock'
}
