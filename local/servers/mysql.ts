import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type ConnectionOptions, createConnection } from 'mysql2/promise'
import { makeCertificate } from './certificate.ts'
import { startDaemon } from './daemon.ts'
import { type DebianPackages, programCommand, unpackPackages } from './debian.ts'
import { freePort } from './spawn.ts'

export type MysqlServer = {
  engine: 'mysql' | 'mariadb'
  packages: DebianPackages
  /** Such as `MySQL 9.7.4`, as the running server tells it. */
  name: string
  host: string
  port: number
  /** The certificate to trust, for `localhost` and 127.0.0.1. */
  caFile: string
  superuser: { user: string; password: string }
  /** Where it logs every statement. */
  logFile: string
}

export type RunningMysql = MysqlServer & {
  socket: string
  /** With other settings, if any. */
  restart(settings?: Record<string, string>): Promise<void>
  stop(): Promise<void>
}

type MysqlFlavour = Pick<MysqlServer, 'engine' | 'packages'>

/** By their packages in Debian: the newest MySQL, and the MariaDB versions with long support. */
export const MYSQL_FLAVOURS: MysqlFlavour[] = [
  { engine: 'mysql', packages: { suite: 'sid', packageName: 'mysql-server-core' } },
  ...['bookworm', 'trixie'].map(
    (suite): MysqlFlavour => ({
      engine: 'mariadb',
      // The plugins for passwords are in the second, which depends on far more than it needs here.
      packages: {
        suite,
        packageName: 'mariadb-server-core',
        packagesWithoutDependencies: ['mariadb-server'],
      },
    }),
  ),
]

/** The newest of an engine. */
export function newestFlavourOf(engine: MysqlServer['engine']): MysqlFlavour {
  const newest = MYSQL_FLAVOURS.findLast(flavour => flavour.engine === engine)
  if (!newest) throw new Error(`there is no ${engine}`)
  return newest
}

/**
 * Starts a server of its own on a free port of 127.0.0.1, in a temporary folder, and waits until it answers. It offers
 * TLS and admits clear text. It ends when this process does, however that happens.
 * @throws if it cannot be had or does not start
 */
export async function startMysql(
  { engine, packages }: MysqlFlavour,
  settings: Record<string, string> = {},
): Promise<RunningMysql> {
  const root = await unpackPackages(packages, root => initialise(engine, root))
  const folder = await mkdtemp(join(tmpdir(), `keyturn-${engine}-`))
  const data = join(folder, 'data')
  await cp(join(root, 'data'), data, { recursive: true })
  const { caFile, keyFile } = await makeCertificate(folder)
  const logFile = join(folder, 'statements.log')
  const superuser = { user: 'super', password: randomBytes(16).toString('hex') }
  const initFile = join(folder, 'init.sql')
  await writeFile(initFile, firstStatements(superuser), { mode: 0o600 })
  const port = await freePort()
  const socket = join(folder, 'socket')
  const all = {
    ...SERVER_SETTINGS,
    port,
    socket,
    pid_file: join(folder, 'pid'),
    init_file: initFile,
    ssl_ca: caFile,
    ssl_cert: caFile,
    ssl_key: keyFile,
    general_log_file: logFile,
    log_bin: join(folder, 'binlog'),
    ...(engine === 'mysql' ? { mysqlx: 'off' } : { plugin_load_add: passwordPluginFiles(root) }),
    ...settings,
  }
  // With skip-grant-tables, MySQL listens at its socket alone.
  const way = settings.skip_grant_tables
    ? { socketPath: socket }
    : { host: '127.0.0.1', port, ssl: { ca: await readFile(caFile) } }
  const start = (more: Record<string, string> = {}) =>
    startDaemon(
      {
        name: `${engine} of ${packages.suite}`,
        command: serverCommand(engine, root, data, { ...all, ...more }),
        folder,
        logFile: join(folder, 'error.log'),
      },
      () => readVersion({ ...way, ...superuser }),
      isNotYetThere,
    )
  let running = await start()
  const name = `${engine === 'mysql' ? 'MySQL' : 'MariaDB'} ${/^[\d.]+/.exec(running.firstAnswer)}`
  const restart = async (more?: Record<string, string>) => {
    await running.end()
    // Its users are there already.
    await writeFile(initFile, '')
    running = await start(more)
  }
  const stop = async () => {
    await running.end()
    await rm(folder, { recursive: true, force: true })
  }
  const server = { engine, packages, name, host: 'localhost', port, caFile, superuser, logFile, socket }
  return { ...server, restart, stop }
}

const SERVER_SETTINGS = {
  bind_address: '127.0.0.1',
  skip_name_resolve: 'on',
  general_log: 'on',
  server_id: 1,
  sync_binlog: 0,
  innodb_flush_log_at_trx_commit: 0,
  max_connections: 300,
}

/** What a server runs that starts for the first time. MariaDB reads one statement from a line. */
function firstStatements({ user, password }: MysqlServer['superuser']): string {
  return [
    `create user ${user} identified by '${password}';`,
    `grant all on *.* to ${user} with grant option;`,
    // For PROXY on everybody, which MariaDB does not let a session of this kind grant.
    `insert into mysql.proxies_priv (host, user, with_grant) values ('%', '${user}', 1);`,
    'flush privileges;',
  ].join('\n')
}

function serverCommand(
  engine: MysqlServer['engine'],
  root: string,
  data: string,
  settings: Record<string, string | number>,
): string[] {
  const all = {
    basedir: join(root, 'usr'),
    plugin_dir: join(root, 'usr/lib/mysql/plugin'),
    datadir: data,
    // Not the one that all share: a server that starts removes every other's temporary tables there.
    tmpdir: dirname(data),
    ...(engine === 'mysql' && { secure_file_priv: '' }),
    // Both refuse to run as root unless told so.
    ...(process.getuid?.() === 0 && { user: 'root' }),
    ...settings,
  }
  return [
    ...programCommand(root, engine === 'mysql' ? 'usr/sbin/mysqld' : 'usr/sbin/mariadbd'),
    '--no-defaults',
    ...Object.entries(all).map(([name, value]) => `--${name.replaceAll('_', '-')}=${value}`),
  ]
}

const passwordPluginFiles = (root: string) =>
  globSync('{auth_ed25519,auth_parsec}.so', { cwd: join(root, 'usr/lib/mysql/plugin') }).join(';')

/** Makes the folder `data` with the system tables, which every start then copies: making them takes seconds. */
async function initialise(engine: MysqlServer['engine'], root: string): Promise<void> {
  const data = join(root, 'data')
  await mkdir(data)
  if (engine === 'mysql')
    await runToEnd(serverCommand(engine, root, data, {}).concat('--initialize-insecure'))
  else {
    const scripts = ['system_tables', 'performance_tables', 'system_tables_data'].flatMap(part =>
      globSync(`usr/share/{mysql,mariadb}/{mysql,mariadb}_${part}.sql`, { cwd: root }),
    )
    const texts = await Promise.all(scripts.map(path => readFile(join(root, path), 'utf8')))
    const statements = ['create database mysql;', 'use mysql;', 'set @auth_root_socket = null;', ...texts]
    await runToEnd(serverCommand(engine, root, data, {}).concat('--bootstrap'), statements.join('\n'))
  }
}

async function runToEnd([command = '', ...args]: string[], input = ''): Promise<void> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (said += chunk))
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${command} ended with ${code}:\n${said}`)
}

async function readVersion(config: ConnectionOptions): Promise<string> {
  const connection = await createConnection(config)
  const [rows] = await connection.query('select version() as version')
  await connection.end()
  return (rows as { version: string }[])[0]?.version ?? ''
}

const isNotYetThere = (error: unknown) =>
  ['ECONNREFUSED', 'ENOENT'].includes(String((error as { code?: string }).code))
