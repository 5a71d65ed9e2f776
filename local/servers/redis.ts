import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, globSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { passwordDigest } from '../../rotation/engines/redis/redisAcl.ts'
import { createClient } from '../../rotation/engines/redis/redisConnection.ts'
import { makeCertificate } from './certificate.ts'
import { startDaemon } from './daemon.ts'
import { type DebianPackages, programCommand, unpackPackages } from './debian.ts'
import { freePort } from './spawn.ts'

/** A server of Redis or Valkey. */
export type RedisServer = {
  /** Name and version, such as `Valkey 8.1.1`. */
  name: string
  packages: DebianPackages
  host: string
  /** The port for TLS. */
  port: number
  /** The port without TLS. */
  plainPort: number
  /** The certificate that clients trust. It is for `localhost` and 127.0.0.1. */
  caFile: string
  superuser: { username: string; password: string }
  /** The output of MONITOR: every command but administrative ones. https://redis.io/docs/latest/commands/monitor/ */
  logFile: string
}

/** A server of Redis or Valkey that this process has started. */
export type RunningRedis = RedisServer & { restart(): Promise<void>; stop(): Promise<void> }

/** The servers that tests use, by their Debian packages. */
export const REDIS_PACKAGES: DebianPackages[] = [
  { suite: 'bookworm', packageName: 'redis-server' },
  { suite: 'trixie', packageName: 'redis-server' },
  { suite: 'trixie', packageName: 'valkey-server' },
]

type Options = {
  /** Where the server stores its users. With `memory` they are lost when it restarts. */
  usersIn?: 'aclfile' | 'config file' | 'memory'
  /** Further settings, by their names with underscores. */
  settings?: Record<string, string[]>
}

/**
 * Starts a new server on free ports of 127.0.0.1, in a temporary folder, and waits until it answers. It ends when this process
 * does, also when that crashes.
 * @throws Error if its package cannot be fetched, or if it does not start
 */
export async function startRedis(
  packages: DebianPackages,
  { usersIn = 'aclfile', settings = {} }: Options = {},
): Promise<RunningRedis> {
  const root = await unpackPackages(packages, async () => {})
  const folder = await mkdtemp(join(tmpdir(), `keyturn-${packages.packageName}-`))
  const { caFile, keyFile } = await makeCertificate(folder)
  const logFile = join(folder, 'statements.log')
  const superuser = { username: 'default', password: randomBytes(16).toString('hex') }
  const rules = ['default', 'on', `#${passwordDigest(superuser.password)}`, '~*', '&*', '+@all']
  const usersFile = join(folder, 'users')
  await writeFile(usersFile, `user ${rules.join(' ')}\n`)
  await writeFile(logFile, '')
  const [port, plainPort] = [await freePort(), await freePort()]
  const allSettings = {
    port: [plainPort],
    tls_port: [port],
    bind: ['127.0.0.1'],
    dir: [folder],
    tls_cert_file: [caFile],
    tls_key_file: [keyFile],
    tls_ca_cert_file: [caFile],
    tls_auth_clients: ['no'],
    save: [''],
    slowlog_log_slower_than: [0],
    slowlog_max_len: [100_000],
    ...(usersIn === 'aclfile' && { aclfile: [usersFile] }),
    ...(usersIn === 'memory' && { user: rules }),
    ...settings,
  }
  const [daemon = ''] = globSync('usr/bin/{redis,valkey}-server', { cwd: root })
  const command = [
    ...programCommand(root, daemon),
    ...(usersIn === 'config file' ? [usersFile] : []),
    ...Object.entries(allSettings).flatMap(([name, values]) => [
      `--${name.replaceAll('_', '-')}`,
      ...values.map(String),
    ]),
  ]
  const server = { packages, host: 'localhost', port, plainPort, caFile, superuser, logFile }
  const start = () =>
    startDaemon(
      {
        name: `${packages.packageName} of ${packages.suite}`,
        command,
        folder,
        logFile: join(folder, 'error.log'),
      },
      async () => {
        const name = await readNameAndVersion(server)
        await logMonitorOutput(server)
        return name
      },
    )
  let running = await start()
  return {
    ...server,
    name: running.firstAnswer,
    async restart() {
      await running.end()
      running = await start()
    },
    async stop() {
      await running.end()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The server's name and version. @throws Error if it does not answer */
async function readNameAndVersion({
  host,
  plainPort,
  superuser,
}: Omit<RedisServer, 'name'>): Promise<string> {
  const client = createClient({
    socket: { host, port: plainPort, reconnectStrategy: false },
    ...superuser,
  })
  client.on('error', () => {})
  await client.connect()
  const info = await client.info('server')
  client.destroy()
  const versionOf = (key: string) => new RegExp(`^${key}_version:(\\S+)`, 'm').exec(info)?.[1]
  const valkeyVersion = versionOf('valkey')
  return valkeyVersion ? `Valkey ${valkeyVersion}` : `Redis ${versionOf('redis')}`
}

/** Appends the output of MONITOR to the log, until the server ends. */
async function logMonitorOutput({
  host,
  plainPort,
  superuser,
  logFile,
}: Omit<RedisServer, 'name'>): Promise<void> {
  const socket = connect({ host, port: plainPort })
  socket.on('error', () => {})
  socket.write(`AUTH ${superuser.username} ${superuser.password}\r\nMONITOR\r\n`)
  await once(socket, 'data')
  socket.pipe(createWriteStream(logFile, { flags: 'a' }))
}
