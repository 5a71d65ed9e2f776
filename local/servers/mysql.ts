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

/** A server of MySQL or MariaDB. */
export type MysqlServer = {
  engine: 'mysql' | 'mariadb'
  packages: DebianPackages
  /** Name and version, such as `MySQL 9.7.4`. */
  name: string
  host: string
  port: number
  /** The certificate that clients trust. It is for `localhost` and 127.0.0.1. */
  caFile: string
  superuser: { user: string; password: string }
  /** The log of every statement. */
  logFile: string
}

/** A server of MySQL or MariaDB that this process has started. */
export type RunningMysql = MysqlServer & {
  /** Path of the server's Unix socket. */
  socket: string
  /** Stops the server and starts it again, with `settings` beside or instead of those that it was first started with. */
  restart(settings?: Record<string, string>): Promise<void>
  stop(): Promise<void>
}

/** Which server: the engine, and the Debian packages that have it. */
type MysqlFlavour = Pick<MysqlServer, 'engine' | 'packages'>

/** The servers that tests use: the newest MySQL in Debian, and the MariaDB of two Debian releases. */
export const MYSQL_FLAVOURS: MysqlFlavour[] = [
  { engine: 'mysql', packages: { suite: 'sid', packageName: 'mysql-server-core' } },
  ...['bookworm', 'trixie'].map(
    (suite): MysqlFlavour => ({
      engine: 'mariadb',
      // Only the password plugins of `mariadb-server` are needed, so its dependencies are left out.
      packages: {
        suite,
        packageName: 'mariadb-server-core',
        packagesWithoutDependencies: ['mariadb-server'],
      },
    }),
  ),
]

/** The newest server of an engine. */
export function newestFlavourOf(engine: MysqlServer['engine']): MysqlFlavour {
  const newest = MYSQL_FLAVOURS.findLast(flavour => flavour.engine === engine)
  if (!newest) throw new Error(`there is no ${engine}`)
  return newest
}

/**
 * Starts a new server on a free port of 127.0.0.1, in a temporary folder, and waits until it answers. It accepts logins with and
 * without TLS. It ends when this process does, also when that crashes.
 * @param settings further server settings, by their names with underscores
 * @throws Error if the server's packages cannot be fetched, or if it does not start
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
  const allSettings = {
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
  // With skip-grant-tables MySQL listens on its Unix socket only:
  // https://dev.mysql.com/doc/refman/8.4/en/server-options.html#option_mysqld_skip-grant-tables
  const address = settings.skip_grant_tables
    ? { socketPath: socket }
    : { host: '127.0.0.1', port, ssl: { ca: await readFile(caFile) } }
  const start = (more: Record<string, string> = {}) =>
    startDaemon(
      {
        name: `${engine} of ${packages.suite}`,
        command: serverCommand(engine, root, data, { ...allSettings, ...more }),
        folder,
        logFile: join(folder, 'error.log'),
      },
      () => readVersion({ ...address, ...superuser }),
      isNotListening,
    )
  let running = await start()
  const name = `${engine === 'mysql' ? 'MySQL' : 'MariaDB'} ${/^[\d.]+/.exec(running.firstAnswer)}`
  const restart = async (more?: Record<string, string>) => {
    await running.end()
    // The statements that made the superuser must not run again.
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

/** The statements that a new server runs first, which make the superuser. MariaDB reads one statement from each line. */
function firstStatements({ user, password }: MysqlServer['superuser']): string {
  return [
    `create user ${user} identified by '${password}';`,
    `grant all on *.* to ${user} with grant option;`,
    // This stands for GRANT PROXY on all users, which MariaDB refuses in an init file.
    `insert into mysql.proxies_priv (host, user, with_grant) values ('%', '${user}', 1);`,
    'flush privileges;',
  ].join('\n')
}

/** The command that starts a server. */
function serverCommand(
  engine: MysqlServer['engine'],
  root: string,
  data: string,
  settings: Record<string, string | number>,
): string[] {
  const allSettings = {
    basedir: join(root, 'usr'),
    plugin_dir: join(root, 'usr/lib/mysql/plugin'),
    datadir: data,
    // Not the folder that all servers share by default: a server that starts deletes the temporary tables of the others there.
    tmpdir: dirname(data),
    ...(engine === 'mysql' && { secure_file_priv: '' }),
    // Both servers run as root only with this setting.
    ...(process.getuid?.() === 0 && { user: 'root' }),
    ...settings,
  }
  return [
    ...programCommand(root, engine === 'mysql' ? 'usr/sbin/mysqld' : 'usr/sbin/mariadbd'),
    '--no-defaults',
    ...Object.entries(allSettings).map(([name, value]) => `--${name.replaceAll('_', '-')}=${value}`),
  ]
}

/** The files of MariaDB's password plugins that the package has, as plugin_load_add takes them. */
const passwordPluginFiles = (root: string) =>
  globSync('{auth_ed25519,auth_parsec}.so', { cwd: join(root, 'usr/lib/mysql/plugin') }).join(';')

/** Makes the folder `data` with the system tables. Every start copies this folder, as making the tables takes seconds. */
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

/** Runs a command. @throws Error with its output if it fails */
async function runToEnd([command = '', ...args]: string[], input = ''): Promise<void> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${command} ended with ${code}:\n${output}`)
}

async function readVersion(config: ConnectionOptions): Promise<string> {
  const connection = await createConnection(config)
  const [rows] = await connection.query('select version() as version')
  await connection.end()
  return (rows as { version: string }[])[0]?.version ?? ''
}

/** Whether an error means that the server does not listen yet. */
const isNotListening = (error: unknown) =>
  ['ECONNREFUSED', 'ENOENT'].includes(String((error as { code?: string }).code))
