import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { chmod, cp, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { makeCertificate } from './certificate.ts'
import { startDaemon } from './daemon.ts'
import { unpackPackages } from './debian.ts'
import { type GatewayOptions, startGateway } from './documentdbGateway.ts'
import { giveToUnprivileged, unprivilegedCommand } from './unprivileged.ts'

const run = promisify(execFile)

/** DocumentDB's engine behind a gateway. */
export type MongodbServer = {
  /** Name and version, such as `DocumentDB 1.0`. */
  name: string
  host: string
  port: number
  /** The certificate that clients trust. It is for `localhost` and 127.0.0.1. */
  caFile: string
  /** The log of every command to the gateway and every statement to the engine. */
  logFile: string
  /** Settings of the gateway, by which another gateway to this engine can be started, or statements run on the engine itself. */
  gatewayOptions: GatewayOptions
}

/**
 * Starts DocumentDB's open-source engine, which is an extension of PostgreSQL, in a temporary folder, and a gateway that speaks
 * MongoDB's protocol, with and without TLS. Both end when this process does, also when it crashes.
 * @throws Error if the engine's packages cannot be fetched, or if it does not start
 */
export async function startMongodb(): Promise<MongodbServer & { stop(): Promise<void> }> {
  const unpacked = await unpackPackages(
    // The engine needs the files of PostGIS's extension, which its package only recommends.
    {
      suite: 'sid',
      packageName: 'postgresql-18-documentdb',
      packagesWithoutDependencies: ['postgresql-18-postgis-3-scripts'],
    },
    makeRunnable,
  )
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-mongodb-'))
  const { caFile, keyFile } = await makeCertificate(folder)
  const logFile = join(folder, 'statements.log')
  const data = join(folder, 'data')
  giveToUnprivileged(folder, [])
  const root = await makeReachable(unpacked, folder)
  const bin = join(root, 'usr/lib/postgresql/18/bin')
  const [initdb = '', ...args] = [...unprivilegedCommand, join(bin, 'initdb'), '-D', data, '-U', 'postgres']
  await run(initdb, [...args, '-A', 'trust', '-E', 'UTF8', '--locale', 'C', '--no-sync'], { cwd: folder })
  const settings = {
    listen_addresses: '',
    unix_socket_directories: folder,
    shared_preload_libraries: 'pg_cron,pg_documentdb_core,pg_documentdb',
    'documentdb.maxUserLimit': 500,
    // By this the engine connects to its own server.
    'documentdb.localhost_connection_string': `host=${folder}`,
    // The engine's background jobs are not needed.
    'cron.launch_active_jobs': 'off',
    log_statement: 'all',
    fsync: 'off',
    max_connections: 300,
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const command = [...unprivilegedCommand, join(bin, 'postgres'), '-D', data, ...options]
  const engine = await startDaemon(
    { name: 'DocumentDB', command, folder, logFile, signal: 'INT' },
    () => createExtension(folder),
    error => (error as { code?: string }).code !== undefined,
  )
  const gatewayOptions = { socketFolder: folder, caFile, keyFile, logFile }
  const gateway = await startGateway(gatewayOptions)
  const stop = async () => {
    gateway.stop()
    await engine.end()
    await rm(folder, { recursive: true, force: true })
  }
  const name = `DocumentDB ${/^[\d.]+/.exec(engine.firstAnswer)}`
  const { port } = gateway
  return { name, host: 'localhost', port, caFile, logFile, gatewayOptions, stop }
}

/**
 * Makes sure that the unprivileged user, as which the server runs when this process is root's, can read the unpacked files.
 * @returns their folder, or a copy in `folder` if that user may not enter it
 */
async function makeReachable(root: string, folder: string): Promise<string> {
  const [command, ...args] = [
    ...unprivilegedCommand,
    'test',
    '-x',
    join(root, 'usr/lib/postgresql/18/bin/postgres'),
  ]
  if (!command || !unprivilegedCommand.length) return root
  try {
    await run(command, args)
    return root
  } catch {
    const copy = join(folder, 'root')
    await cp(root, copy, { recursive: true, verbatimSymlinks: true })
    return copy
  }
}

/** Replaces the unpacked programs by scripts that run them with their unpacked libraries, as `initdb` calls `postgres` by name. */
async function makeRunnable(root: string): Promise<void> {
  // Debian makes this link when the package is installed.
  await symlink('postgis-3.control', join(root, 'usr/share/postgresql/18/extension/postgis.control'))
  const bin = join(root, 'usr/lib/postgresql/18/bin')
  const find = (pattern: string) =>
    globSync(pattern, { cwd: root }).map(path => `"$bin/${relative(bin, join(root, path))}"`)
  const [loader] = find('usr/lib/*-linux-gnu/ld-linux*')
  const libraries = find('usr/lib{,/postgresql/18/lib,/*-linux-gnu{,/blas,/lapack}}')
  for (const name of ['initdb', 'postgres']) {
    const file = join(bin, name)
    await rename(file, `${file}.bin`)
    const command = `exec ${loader} --library-path ${libraries.join(':')} "$bin/${name}.bin" "$@"`
    await writeFile(file, `#!/bin/sh\nbin=$(dirname "$0")\n${command}\n`)
    await chmod(file, 0o755)
  }
}

/** Creates the extension in the engine's PostgreSQL. @returns its version @throws as long as PostgreSQL does not answer */
async function createExtension(socket: string): Promise<string> {
  const client = new pg.Client({ host: socket, user: 'postgres', database: 'postgres' })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('create extension documentdb cascade')
    const { rows } = await client.query(`select extversion from pg_extension where extname = 'documentdb'`)
    return rows[0].extversion
  } finally {
    await client.end().catch(() => {})
  }
}
