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

type Family = 'postgres' | 'mysql'

/**
 * A pool of another library, in a process of its own. It is told by the environment where and as whom to log in, opens
 * `SIZE` connections, prints `ready`, and asks over all of them until its input ends. Then it prints how many queries it
 * made, how many failed, how many connections it has opened in all, and what failed first. Nobody tells it another
 * password: what it has is what it goes on with.
 */
type PoolLibrary = {
  name: string
  /** Which servers it speaks to. */
  families: Family[]
  /** What has to be on the PATH. */
  requiredPrograms: string
  /** Gets what it is made of, in the versions that its folder pins. @returns its command */
  make(): Promise<string[]>
}

/** The size of each pool. */
export const POOL_CONNECTION_COUNT = 3

const BOTH_FAMILIES: Family[] = ['postgres', 'mysql']
const node = (name: string, families: Family[]): PoolLibrary => ({
  name,
  families,
  requiredPrograms: 'node',
  make: async () => [process.execPath, join(sourcesFolder, 'node/pool.ts'), name],
})
const python = (name: string, families: Family[]): PoolLibrary => ({
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
  python('SQLAlchemy', BOTH_FAMILIES),
  python('psycopg', ['postgres']),
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
  node('pg', ['postgres']),
  node('mysql2', ['mysql']),
]

/** What one pool saw. `cut`: sessions that it had to open anew. */
export type PoolObservation = { queries: number; failed: number; reopenedCount: number; firstError: string }

export type InstalledPool = Pick<PoolLibrary, 'name' | 'families'> & { command: string[] }

/** All of those wanted that this machine can have. Of each other one, `tell` gets a sentence. */
export async function installPools(
  tell: (sentence: string) => void,
  wanted = poolLibraries,
): Promise<InstalledPool[]> {
  await mkdir(cacheFolder, { recursive: true })
  const made: InstalledPool[] = []
  for (const { name, families, requiredPrograms, make } of wanted)
    try {
      made.push({ name, families, command: await make() })
    } catch (error) {
      const [reason] = String((error as { stderr?: string }).stderr || error)
        .trim()
        .split('\n')
        .slice(-1)
      tell(`${name} is not measured: it needs ${requiredPrograms} (${reason})`)
    }
  return made
}

/** Opens a pool, and waits until each of its connections has been asked. */
export async function openPool(
  { name, command: [program = '', ...rest] }: InstalledPool,
  family: Family,
  { host, port, username, password, dbname }: StoredValue,
  caFile: string,
): Promise<{ name: string; stop(): Promise<PoolObservation> }> {
  const told = {
    ENGINE: family,
    HOST: host,
    PORT: port,
    USERNAME: username,
    PASSWORD: password,
    DATABASE: dbname,
  }
  const all = Object.entries({ ...told, CA_FILE: caFile, SIZE: POOL_CONNECTION_COUNT }).map(
    ([key, value]) => [`POOL_${key}`, `${value}`],
  )
  const child = spawn(program, rest, {
    env: { ...process.env, ...Object.fromEntries(all) },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`${name}: its process ended, and had opened no pool or told nothing`)
    return value
  }
  await next()
  return {
    name,
    async stop() {
      child.stdin.end()
      const [queries, failed, opened, ...first] = (await next()).split(' ')
      if (child.exitCode === null) await once(child, 'exit')
      return {
        queries: Number(queries),
        failed: Number(failed),
        reopenedCount: Number(opened) - POOL_CONNECTION_COUNT,
        firstError: first.join(' '),
      }
    },
  }
}
