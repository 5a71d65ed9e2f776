import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { StoredValue } from '../../local/client/application.ts'

const run = promisify(execFile)
const sourcesFolder = join(import.meta.dirname, 'pools')
const cacheFolder = join(import.meta.dirname, '../../node_modules/.cache/keyturn-pools')

/** Which protocol a server speaks. MariaDB speaks MySQL's. */
type Family = 'postgres' | 'mysql'

/**
 * A library with a connection pool. Its pool runs in a process of its own, which
 * - gets the server, the login and the pool's size by the environment variables POOL_ENGINE, POOL_HOST, POOL_PORT, POOL_USERNAME,
 *   POOL_PASSWORD, POOL_DATABASE, POOL_CA_FILE and POOL_SIZE; it never gets a newer password
 * - opens POOL_SIZE connections, prints `ready`, and queries over all of them until its stdin ends
 * - then prints a line: how many queries it made, how many failed, how many connections it opened in all, and the first error
 */
type PoolLibrary = {
  name: string
  /** The servers that it can connect to. */
  families: Family[]
  /** The programs that it needs on the PATH, in words. */
  requiredPrograms: string
  /**
   * Installs the library in the version that its folder in pools/ pins. Node's libraries are there: package-lock.json pins them.
   * @returns the command of the pool's process
   */
  make(): Promise<string[]>
}

/** The size of each pool. */
export const POOL_CONNECTION_COUNT = 3

const BOTH_FAMILIES: Family[] = ['postgres', 'mysql']
const nodeLibrary = (name: string, families: Family[]): PoolLibrary => ({
  name,
  families,
  requiredPrograms: 'node',
  make: async () => [process.execPath, join(sourcesFolder, 'node/pool.ts'), name],
})
const pythonLibrary = (name: string, families: Family[]): PoolLibrary => ({
  name,
  families,
  requiredPrograms: 'python3 with venv and pip',
  async make() {
    const [folder, bin] = [join(cacheFolder, 'python'), join(cacheFolder, 'python/bin/python')]
    await run('python3', ['-m', 'venv', folder])
    await run(bin, [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--requirement',
      join(sourcesFolder, 'python/requirements.txt'),
    ])
    return [bin, join(sourcesFolder, 'python/pool.py'), name.toLowerCase()]
  },
})

/** All libraries whose pools are measured. */
export const poolLibraries: PoolLibrary[] = [
  {
    name: 'HikariCP',
    families: BOTH_FAMILIES,
    requiredPrograms: 'java, 17 or later, and mvn',
    async make() {
      const folder = join(cacheFolder, 'java')
      const copy = ['dependency:copy-dependencies', `-DoutputDirectory=${folder}`]
      await run('mvn', ['--quiet', '--batch-mode', '--file', join(sourcesFolder, 'java/pom.xml'), ...copy])
      return ['java', '-cp', join(folder, '*'), join(sourcesFolder, 'java/Pool.java')]
    },
  },
  pythonLibrary('SQLAlchemy', BOTH_FAMILIES),
  pythonLibrary('psycopg', ['postgres']),
  {
    name: 'pgx',
    families: ['postgres'],
    requiredPrograms: 'go, 1.25 or later',
    async make() {
      const program = join(cacheFolder, 'pgx')
      await run('go', ['build', '-o', program, '.'], { cwd: join(sourcesFolder, 'go') })
      return [program]
    },
  },
  nodeLibrary('pg', ['postgres']),
  nodeLibrary('mysql2', ['mysql']),
]

/** What a pool saw. `reopenedCount` is how many connections it opened in place of others. */
export type PoolObservation = { queries: number; failed: number; reopenedCount: number; firstError: string }

/** A library that is installed, and the command of its pool's process. */
export type InstalledPool = Pick<PoolLibrary, 'name' | 'families'> & { command: string[] }

/** Installs the libraries that this machine can have. @param tell called with a sentence for each of the others */
export async function installPools(
  tell: (sentence: string) => void,
  wanted = poolLibraries,
): Promise<InstalledPool[]> {
  await mkdir(cacheFolder, { recursive: true })
  const installed: InstalledPool[] = []
  for (const { name, families, requiredPrograms, make } of wanted)
    try {
      installed.push({ name, families, command: await make() })
    } catch (error) {
      const [reason] = String((error as { stderr?: string }).stderr || error)
        .trim()
        .split('\n')
        .slice(-1)
      tell(`${name} is not measured: it needs ${requiredPrograms} (${reason})`)
    }
  return installed
}

/** Starts a pool's process, and waits until its connections are open. @returns the pool; `stop` ends it, and returns what it saw */
export async function openPool(
  { name, command: [program = '', ...rest] }: InstalledPool,
  family: Family,
  { host, port, username, password, dbname }: StoredValue,
  caFile: string,
): Promise<{ name: string; stop(): Promise<PoolObservation> }> {
  const login = {
    ENGINE: family,
    HOST: host,
    PORT: port,
    USERNAME: username,
    PASSWORD: password,
    DATABASE: dbname,
  }
  const variables = Object.entries({ ...login, CA_FILE: caFile, SIZE: POOL_CONNECTION_COUNT }).map(
    ([key, value]) => [`POOL_${key}`, `${value}`],
  )
  const child = spawn(program, rest, {
    env: { ...process.env, ...Object.fromEntries(variables) },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const nextLine = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`${name}: its process ended, and had opened no pool or told nothing`)
    return value
  }
  await nextLine()
  return {
    name,
    async stop() {
      child.stdin.end()
      const [queries, failed, opened, ...errorWords] = (await nextLine()).split(' ')
      if (child.exitCode === null) await once(child, 'exit')
      return {
        queries: Number(queries),
        failed: Number(failed),
        reopenedCount: Number(opened) - POOL_CONNECTION_COUNT,
        firstError: errorWords.join(' '),
      }
    },
  }
}
