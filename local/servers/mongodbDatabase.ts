import { readFileSync } from 'node:fs'
import { BSON, type Document, MongoClient } from 'mongodb'
import pg, { escapeIdentifier as name } from 'pg'
import { Credential } from '../../rotation/credential.ts'
import type { MongodbServer } from './mongodb.ts'
import { ADMIN_ARN, type App, randomHex } from './postgresDatabase.ts'

/** Runs SQL statements on the engine's PostgreSQL, in one transaction, as its superuser or as `user`. */
export async function runBehindGateway(
  server: MongodbServer,
  statements: string,
  user?: string,
): Promise<void> {
  const acting = user ? `set session authorization ${name(user)};` : ''
  await (await sessionOf(server)).query(`${acting} ${statements}; reset session authorization`)
}

/** Whether the server has this user. */
export async function hasUser(server: MongodbServer, user: string): Promise<boolean> {
  const { rows } = await (await sessionOf(server)).query('select 1 from pg_roles where rolname = $1', [user])
  return rows.length > 0
}

function sessionOf({ gatewayOptions: { socketFolder } }: MongodbServer): Promise<pg.Client> {
  const client = sessions.get(socketFolder) ?? openSession(socketFolder)
  sessions.set(socketFolder, client)
  return client
}

/** Sessions by their socket's folder. They are kept, as opening one takes tens of milliseconds. */
const sessions = new Map<string, Promise<pg.Client>>()

async function openSession(socket: string): Promise<pg.Client> {
  const client = new pg.Client({ host: socket, user: 'postgres', database: 'postgres' })
  client.on('error', () => {})
  await client.connect()
  await client.query('set documentdb.enableUsernamePasswordConstraints = off')
  return client
}

/** The SQL statement that makes a user. The engine accepts only some sets of roles. */
export function createUserStatement(user: string, pwd: string, ...roles: string[]): string {
  return call('create_user', { createUser: user, pwd, roles: roles.map(role => ({ role, db: 'admin' })) })
}

/** The SQL statement that gives a user another password. */
export function updateUserStatement(user: string, pwd: string): string {
  return call('update_user', { updateUser: user, pwd })
}

/** Calls a function of the engine with a command in BSON. */
const call = (name: string, command: Document) =>
  `select documentdb_api.${name}('BSONHEX${Buffer.from(BSON.serialize(command)).toString('hex')}')`

/** A credential for a user of this server. */
export function credentialFor(
  { host, port }: MongodbServer,
  username: string,
  password: string,
  more: Document = {},
): Credential {
  return Credential.parse(JSON.stringify({ engine: 'mongo', host, port, username, password, ...more }))
}

/** Makes an application's user, and an admin that may manage users and grant any role but is no superuser. */
export async function makeApp(
  server: MongodbServer,
  { user = `app_${randomHex()}`, password = `first-${randomHex(12)}`, more = {} as Document } = {},
): Promise<App> {
  const database = `db_${randomHex()}`
  const admin = { user: `admin_${randomHex()}`, password: `admin-${randomHex(12)}` }
  await runBehindGateway(
    server,
    createUserStatement(admin.user, admin.password, 'readWriteAnyDatabase', 'clusterAdmin'),
  )
  // PostgreSQL locks each role until the commit. As every call names the roles in this order, two calls do not deadlock.
  await runBehindGateway(
    server,
    `alter role ${admin.user} createrole;
     grant documentdb_readonly_role, pg_read_all_data, documentdb_readwrite_role, documentdb_admin_role
       to ${admin.user} with admin option`,
  )
  await runBehindGateway(server, createUserStatement(user, password, 'readAnyDatabase'), admin.user)
  return {
    database,
    user,
    current: credentialFor(server, user, password, { dbname: database, masterarn: ADMIN_ARN, ...more }),
    admin: credentialFor(server, admin.user, admin.password, more),
    drop: () => runBehindGateway(server, `drop role ${name(user)}`),
  }
}

const caCertificates = new Map<string, string>()

/** Whether a login with this user and password succeeds, without Keyturn's engines. @throws any other error than a refused login */
export async function admits(
  { port, caFile }: MongodbServer,
  { host, username, password, ssl }: Credential,
): Promise<boolean> {
  const ca = caCertificates.get(caFile) ?? readFileSync(caFile, 'utf8')
  caCertificates.set(caFile, ca)
  const client = new MongoClient(`mongodb://${host}:${port}/`, {
    auth: { username, password },
    directConnection: true,
    tls: ssl,
    ...(ssl && { ca }),
  })
  try {
    await client.connect()
    return true
  } catch (error) {
    if ((error as { code?: number }).code === 18) return false
    throw error
  } finally {
    await client.close()
  }
}

/** Makes the collection `keyturn.slow` and locks it, so that reads of it wait. @returns a function that unlocks it */
export async function lockSlowCollection(server: MongodbServer): Promise<() => Promise<void>> {
  const client = await openSession(server.gatewayOptions.socketFolder)
  await client.query(`select documentdb_api.insert('keyturn', '{"insert": "slow", "documents": [{}]}')`)
  const { rows } = await client.query(
    `select 'documentdb_data.documents_' || collection_id as documents from documentdb_api_catalog.collections
     where database_name = 'keyturn' and collection_name = 'slow'`,
  )
  await client.query(`begin; lock table ${rows[0].documents} in access exclusive mode`)
  return () => client.end()
}
