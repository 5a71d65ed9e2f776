import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { inject } from 'vitest'
import { startGateway } from '../../../local/servers/documentdbGateway.ts'
import type { MongodbServer } from '../../../local/servers/mongodb.ts'
import {
  admits,
  createUserStatement,
  credentialFor,
  makeApp,
  runBehindGateway,
} from '../../../local/servers/mongodbDatabase.ts'
import { randomHex } from '../../../local/servers/postgresDatabase.ts'
import { Mongodb } from '../../../rotation/engines/mongodb/mongodb.ts'
import type { EngineSubject } from '../contracts/engine.ts'

/** Amazon DocumentDB's open-source engine for the engine contract. */
export function subjectOf(server: MongodbServer): EngineSubject {
  const unsupported = () => Promise.reject(new Error('this server has no superusers'))
  return {
    lacks: ['missing databases', 'answers without TLS', 'superusers'],
    engine: options => new Mongodb({ caFile: server.caFile, ...options }),
    makeApp: options => makeApp(server, options),
    admits: credential => admits(server, credential),
    logText: value => runBehindGateway(server, `select '${value}'`),
    logged: () => readFileSync(server.logFile, 'utf8'),
    strangeCaFile: inject('postgres')[0]?.caFile ?? '',
    maxLengths: {
      password: 900,
      name: () => `${'ü'.repeat(25)}_${randomHex()}`,
      cloned: () => `${'ü'.repeat(22)}_${randomHex()}`,
    },
    async isEncrypted(user) {
      const logins = readFileSync(server.logFile, 'utf8').matchAll(/^login of (.*), (.*)$/gm)
      return [...logins].findLast(([, name]) => name === user)?.[2] === 'TLS'
    },
    async plainTextUser() {
      const user = `plain_${randomHex()}`
      await runBehindGateway(server, createUserStatement(user, 'p', 'readAnyDatabase'))
      return credentialFor(server, user, 'p', { ssl: false })
    },
    // mongod without TLS closes the connection when a client begins TLS.
    withoutTls: received =>
      createServer(socket => {
        socket.on('error', () => {})
        socket.on('data', bytes => {
          received(bytes)
          socket.end()
        })
      }),
    disconnect: user =>
      runBehindGateway(
        server,
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${text(user)}`,
      ),
    queries: {
      good: 'keyturn.health',
      slow: 'keyturn.slow',
      absent: ['keyturn.$none', '73'],
      forbidden: 'admin.system.users',
    },
    // This grants a role of PostgreSQL, which the engine shows as MongoDB's readWriteAnyDatabase.
    change: ({ user, admin }) =>
      runBehindGateway(server, `grant documentdb_readwrite_role to ${name(user)}`, admin.username),
    changeBack: ({ user, admin }) =>
      runBehindGateway(server, `revoke documentdb_readwrite_role from ${name(user)}`, admin.username),
    giveStrayRole: ({ admin }, clone) =>
      runBehindGateway(server, `grant documentdb_readwrite_role to ${name(clone)}`, admin.username),
    // The engine has no secondaries, so a gateway answers as one.
    async standby() {
      const secondary = await startGateway({ ...server.gatewayOptions, primary: `localhost:${server.port}` })
      const { current } = await makeApp(server)
      return {
        engine: new Mongodb({ caFile: server.caFile }),
        current: credentialFor({ ...server, port: secondary.port }, current.username, current.password),
        stop: async () => secondary.stop(),
      }
    },
    makeStranger: ({ admin }, clone, password) =>
      runBehindGateway(
        server,
        createUserStatement(clone, password, 'readWriteAnyDatabase', 'clusterAdmin'),
        admin.username,
      ),
    makeSuperuser: unsupported,
  }
}
