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

/** When the pooler gives a server's connection to another client. */
export const POOL_MODES = ['session', 'transaction', 'statement'] as const
export type PoolMode = (typeof POOL_MODES)[number]

/** Where the pooler looks passwords up: in the database, at every login; or in a file of its own. */
export const USER_LOOKUPS = ['auth_query', 'static list'] as const
export type UserLookup = (typeof USER_LOOKUPS)[number]

export type Pgbouncer = {
  name: string
  mode: PoolMode
  userLookup: UserLookup
  /** The server behind it. */
  server: PostgresServer
  /** The same, as it is reached through the pooler. */
  pooled: PostgresServer
  /** The file of those that it knows by itself. */
  listFile: string
  /** Where the pooler logs. */
  logFile: string
}

/** Adds users to those that the pooler knows by itself, each with a password or a verifier. */
export async function addListedUsers(
  { listFile, pooled }: Pgbouncer,
  users: Record<string, string>,
): Promise<void> {
  await appendFile(listFile, userListLines(users))
  await runStatements(pooled, 'reload', 'pgbouncer')
}

const userListLines = (users: Record<string, string>) =>
  Object.entries(users)
    .map(pair => `${pair.map(text => `"${text.replaceAll('"', '""')}"`).join(' ')}\n`)
    .join('')

const DEFAULT_PACKAGES: DebianPackages = { suite: 'trixie', packageName: 'pgbouncer' }

/** Every mode with either list, as Debian has PgBouncer now; and one as it was before. */
export const POOLER_OPTIONS: Options[] = [
  ...POOL_MODES.flatMap(mode => USER_LOOKUPS.map(userLookup => ({ mode, userLookup }))),
  { packages: { suite: 'bookworm', packageName: 'pgbouncer' } },
]

type Options = {
  mode?: PoolMode
  userLookup?: UserLookup
  packages?: DebianPackages
  settings?: Record<string, string | number>
}

/**
 * Starts a PgBouncer of its own in front of a PostgreSQL, over TLS on both sides, and waits until it listens. It ends
 * when this process does, however that happens.
 * @throws if it cannot be had or does not start
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
  const file = join(folder, 'pgbouncer.ini')
  const listFile = join(folder, 'users')
  const logFile = join(folder, 'pgbouncer.log')
  const port = await freePort()
  const { superuser } = server
  const all = {
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
    // So that a server is asked again soon after it refused one login.
    server_login_retry: 1,
    query_wait_timeout: 20,
    ...settings,
  }
  const configured = Object.entries(all).map(([name, value]) => `${name} = ${value}`)
  const behind = `* = host=${server.host} port=${server.port}`
  await writeFile(file, ['[databases]', behind, '[pgbouncer]', ...configured, ''].join('\n'))
  await writeFile(listFile, userListLines({ [superuser.user]: superuser.password }))
  cpSync(server.caFile, join(folder, 'server-ca.crt'))
  giveToUnprivileged(folder, readdirSync(folder))
  const { end } = await startDaemon(
    {
      name: `${packages.packageName} of ${packages.suite}`,
      // It will not run as root.
      command: [...unprivilegedCommand, ...programCommand(root, 'usr/sbin/pgbouncer'), file],
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
    logFile: logFile,
    listFile,
    stop,
  }
}

async function checkListening(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.destroy()
}

/** An application and its admin, with values that name the pooler. */
export function appThroughPooler({ pooled }: Pgbouncer, app: App): App {
  const { port } = pooled
  return { ...app, current: app.current.with({ port }), admin: app.admin.with({ port }) }
}
