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

export type MongodbServer = {
  /** Such as `DocumentDB 1.0`, as the running server tells it. */
  name: string
  host: string
  port: number
  /** The certificate to trust, for `localhost` and 127.0.0.1. */
  caFile: string
  /** Where it logs every command, and every statement of the engine. */
  logFile: string
  /** For another gateway to the same engine, and for statements behind it: its socket is in a private folder. */
  gatewayOptions: GatewayOptions
}

/**
 * Starts DocumentDB's open-source engine, which is an extension of PostgreSQL, in a temporary folder, and before it a
 * gateway for MongoDB's protocol, which offers TLS and admits clear text. Both end when this process does, however
 * that happens.
 * @throws if it cannot be had or does not start
 */
export async function startMongodb(): Promise<MongodbServer & { stop(): Promise<void> }> {
  const unpacked = await unpackPackages(
    // The second has the files by which PostGIS becomes an extension, and a default only as a recommendation.
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
    // How the engine comes to itself.
    'documentdb.localhost_connection_string': `host=${folder}`,
    // Nothing here needs what it would do in the background.
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

/** As it is; or copied for root, if the unprivileged user may not enter root's own folders. */
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

/** Lets the unpacked programs be called by their names, with the libraries they came with, whatever this system has. */
async function makeRunnable(root: string): Promise<void> {
  // Debian chooses the version when it installs.
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

/** Makes the extension, once the engine answers. @returns its version */
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
