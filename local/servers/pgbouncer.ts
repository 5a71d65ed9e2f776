import { once } from 'node:events'
import { cpSync, readdirSync } from 'node:fs'
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificate } from './certificate.ts'
import { startDaemon } from './daemon.ts'
import { type DebianPackages, programCommand, unpackPackages } from './debian.ts'
import type { PostgresServer } from './postgres.ts'
import type { App } from './postgresDatabase.ts'
import { runStatements } from './postgresDatabase.ts'
import { freePort } from './spawn.ts'
import { giveToUnprivileged, unprivilegedCommand } from './unprivileged.ts'

/** PgBouncer's pool modes: https://www.pgbouncer.org/config.html#pool_mode */
export const POOL_MODES = ['session', 'transaction', 'statement'] as const
/** One of the pool modes. */
export type PoolMode = (typeof POOL_MODES)[number]

/** Where PgBouncer looks up password hashes: in the database at each login (its auth_query), or in its own file of users. */
export const USER_LOOKUPS = ['auth_query', 'static list'] as const
/** One of the user lookups. */
export type UserLookup = (typeof USER_LOOKUPS)[number]

/** A PgBouncer in front of a PostgreSQL. */
export type Pgbouncer = {
  /** Its Debian release, pool mode and user lookup. */
  name: string
  mode: PoolMode
  userLookup: UserLookup
  /** The PostgreSQL behind it. */
  server: PostgresServer
  /** The same PostgreSQL, with the host, port and certificate by which clients reach it through PgBouncer. */
  pooled: PostgresServer
  /** PgBouncer's own file of users. */
  listFile: string
  /** PgBouncer's log. */
  logFile: string
}

/** Adds users to PgBouncer's own file, each with its password or password hash. */
export async function addListedUsers(
  { listFile, pooled }: Pgbouncer,
  users: Record<string, string>,
): Promise<void> {
  await appendFile(listFile, userListLines(users))
  await runStatements(pooled, 'reload', 'pgbouncer')
}

/** Users as PgBouncer's auth_file has them: https://www.pgbouncer.org/config.html#authentication-file-format */
const userListLines = (users: Record<string, string>) =>
  Object.entries(users)
    .map(pair => `${pair.map(text => `"${text.replaceAll('"', '""')}"`).join(' ')}\n`)
    .join('')

const DEFAULT_PACKAGES: DebianPackages = { suite: 'trixie', packageName: 'pgbouncer' }

/** The poolers that tests use: all pool modes with both user lookups, and the PgBouncer of the Debian release before. */
export const POOLER_OPTIONS: Options[] = [
  ...POOL_MODES.flatMap(mode => USER_LOOKUPS.map(userLookup => ({ mode, userLookup }))),
  { packages: { suite: 'bookworm', packageName: 'pgbouncer' } },
]

type Options = {
  mode?: PoolMode
  userLookup?: UserLookup
  packages?: DebianPackages
  /** Further settings, by their names in pgbouncer.ini. */
  settings?: Record<string, string | number>
}

/**
 * Starts a PgBouncer in front of a PostgreSQL, with TLS on both sides, and waits until it listens. It ends when this process does,
 * also when that crashes.
 * @throws Error if its package cannot be fetched, or if it does not start
 */
export async function startPgbouncer(
  server: PostgresServer,
  {
    mode = 'transaction',
    userLookup = 'auth_query',
    packages = DEFAULT_PACKAGES,
    settings = {},
  }: Options = {},
): Promise<Pgbouncer & { stop(): Promise<void> }> {
  const root = await unpackPackages(packages, async () => {})
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-pgbouncer-'))
  const { caFile, keyFile } = await makeCertificate(folder)
  const configFile = join(folder, 'pgbouncer.ini')
  const listFile = join(folder, 'users')
  const logFile = join(folder, 'pgbouncer.log')
  const port = await freePort()
  const { superuser } = server
  const allSettings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    pool_mode: mode,
    auth_type: 'scram-sha-256',
    auth_file: listFile,
    admin_users: superuser.user,
    ...(userLookup === 'auth_query' && {
      auth_user: superuser.user,
      auth_query: 'select usename, passwd from pg_shadow where usename = $1',
    }),
    client_tls_sslmode: 'require',
    client_tls_key_file: keyFile,
    client_tls_cert_file: caFile,
    server_tls_sslmode: 'verify-full',
    server_tls_ca_file: join(folder, 'server-ca.crt'),
    // After a refused login PgBouncer waits so many seconds before it asks the server again. The default is 15:
    // https://www.pgbouncer.org/config.html#server_login_retry
    server_login_retry: 1,
    query_wait_timeout: 20,
    ...settings,
  }
  const settingLines = Object.entries(allSettings).map(([name, value]) => `${name} = ${value}`)
  const databaseLine = `* = host=${server.host} port=${server.port}`
  await writeFile(configFile, ['[databases]', databaseLine, '[pgbouncer]', ...settingLines, ''].join('\n'))
  await writeFile(listFile, userListLines({ [superuser.user]: superuser.password }))
  cpSync(server.caFile, join(folder, 'server-ca.crt'))
  giveToUnprivileged(folder, readdirSync(folder))
  const { end } = await startDaemon(
    {
      name: `${packages.packageName} of ${packages.suite}`,
      // PgBouncer refuses to run as root.
      command: [...unprivilegedCommand, ...programCommand(root, 'usr/sbin/pgbouncer'), configFile],
      folder,
      logFile,
      signal: 'INT',
    },
    () => checkListening(port),
  )
  const stop = async () => {
    await end()
    await rm(folder, { recursive: true, force: true })
  }
  const pooled = { ...server, host: '127.0.0.1', port, caFile }
  return {
    name: `${packages.suite}, ${mode}, ${userLookup}`,
    mode,
    userLookup,
    server,
    pooled,
    logFile,
    listFile,
    stop,
  }
}

async function checkListening(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.destroy()
}

/** The same application and admin, with credentials that have PgBouncer's port. */
export function appThroughPooler({ pooled }: Pgbouncer, app: App): App {
  const { port } = pooled
  return { ...app, current: app.current.with({ port }), admin: app.admin.with({ port }) }
}
