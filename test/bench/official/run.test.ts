import { execFile } from 'node:child_process'
import { mkdir, mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { REPOSITORY_URL } from '../../../bench/official/source.ts'
import { rowsIn } from '../../../bench/official/summary.ts'
import { newestFlavourOf } from '../../../local/servers/mysql.ts'
import { pythonBin } from '../../../local/stack/python.ts'
import { officialStandIn } from '../../support/officialStandIn.ts'

const bench = join(import.meta.dirname, '../../../bench/official')
const shell = promisify(execFile)

type Ended = { code: number; stdout: string; stderr: string }

/** Runs the bench with these arguments. */
function run(words: string[], env = process.env): Promise<Ended> {
  const all = [join(bench, 'run.ts'), ...words]
  return shell(process.execPath, all, { env }).then(
    said => ({ code: 0, ...said }),
    (error: Ended) => error,
  )
}

describe('a comparison that is impossible ends with one line and exit code 2', () => {
  test.each([
    ['no path', []],
    ['a path without a repository', ['--official', import.meta.dirname]],
  ])('%s', async (_, words) => {
    const { code, stdout, stderr } = await run(words)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^(.* )?Get AWS's functions by `git clone .*`, .*--official PATH\n$/)
    expect(stderr).toContain(REPOSITORY_URL)
  })

  test.each([
    ['a part that there is not', ['--official', '/none', 'nothing']],
    ['an option that there is not', ['--officials', '/none']],
  ])('%s', async (_, words) => {
    const { code, stdout, stderr } = await run(words)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^Usage: npm run official -- --official PATH \[counts .*\n$/)
  })
})

/** A Python script that loads what AWS's functions load. It is not called if PostgreSQL's driver is installed. */
const standIn = officialStandIn('import importlib.util, pymysql\nassert not importlib.util.find_spec("pgdb")')

async function makeClone(folder: string): Promise<string> {
  for (const engine of ['MySQL', 'MariaDB'])
    for (const strategy of ['SingleUser', 'MultiUser']) {
      const at = join(folder, `SecretsManagerRDS${engine}Rotation${strategy}`)
      await mkdir(at, { recursive: true })
      await writeFile(join(at, 'lambda_function.py'), standIn)
    }
  const git = (...words: string[]) => shell('git', ['-C', folder, ...words])
  await git('init', '--quiet')
  await git('add', '.')
  await git('-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '--quiet', '-m', 'one')
  return (await git('rev-parse', 'HEAD')).stdout.trim()
}

/** A folder with all commands that the bench calls, except those with which PyGreSQL is built. */
async function makePath(folder: string): Promise<string> {
  await mkdir(folder)
  const add = (name: string, { stdout }: { stdout: string }) =>
    writeFile(join(folder, name), `#!/bin/sh\nexec '${stdout.trim()}' "$@"\n`, { mode: 0o755 })
  await add('python3', await shell('python3', ['-c', 'import sys; print(sys.executable)']))
  for (const name of ['git', 'sh', 'cat']) await add(name, await shell('sh', ['-c', `command -v ${name}`]))
  return folder
}

/** The rows about MySQL and MariaDB of one side, without versions, each with that of its retirement. */
function rowsOf(text: string, side: string): string[][] {
  const rows = rowsIn(text)
  return rows.flatMap(([title = '', ...cells], i) => {
    const [, engine, turn] = /^(MySQL|MariaDB) [\d.]+, (.*)$/.exec(title) ?? []
    if (!turn?.endsWith(`: ${side}`)) return []
    const next = rows[i + 1] ?? []
    return [[`${engine}, ${turn}`, ...cells], ...(next[0] === '— its retirement' ? [next] : [])]
  })
}

const bin = await pythonBin()
/** The servers that the bench starts itself. test/support/servers.ts says which of them this system does not have. */
const areThere = (['mysql', 'mariadb'] as const).every(engine =>
  inject('mysql').some(({ packages }) => packages.suite === newestFlavourOf(engine).packages.suite),
)

describe.skipIf(!bin || !areThere)('where PyGreSQL cannot be built, another commit of AWS’s', () => {
  let ended: Ended
  let commit: string
  const results = () => readFile(join(bench, 'RESULTS.md'), 'utf8')
  let before: string
  beforeAll(async () => {
    await using at = await mkdtempDisposable(join(tmpdir(), 'keyturn-official-test-'))
    const clone = join(at.path, 'clone')
    commit = await makeClone(clone)
    const PATH = await makePath(join(at.path, 'bin'))
    before = await results()
    ended = await run(['--official', clone, 'counts'], { ...process.env, PATH })
  })

  test('is compared without PostgreSQL, and one line says why', () => {
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    const lines = ended.stdout.split('\n').filter(line => line.includes('left out'))
    expect(lines).toEqual([
      'PostgreSQL is left out: PyGreSQL is built with pg_config and gcc (on Debian, libpq-dev and gcc).',
    ])
  })

  test('is compared on the other servers in every way', () => {
    const ways = ['one user', 'two users, the first time', 'two users, later']
    const rows = (database: string, side: string) =>
      ways.map(way => [`${database}, ${way}: ${side}`, '4', '0', '0', 'well'])
    const found = (side: string) =>
      rowsOf(ended.stdout, side).filter(([title]) => !title?.includes(', called'))
    const changed = "AWS's, one string changed"
    expect(found("AWS's").sort()).toEqual([...rows('MariaDB', "AWS's"), ...rows('MySQL', "AWS's")].sort())
    expect(found(changed)).toEqual(rows('MySQL', changed))
  })

  test('is named as another commit, and no page is written', async () => {
    expect(ended.stdout).toMatch(new RegExp(`^AWS's functions at ${commit} of [-0-9]{10}, not the recorded `))
    expect(ended.stdout).toContain('bench/official/RESULTS.md stays as it is.')
    expect(await results()).toBe(before)
  })

  test('gives the calls and logins of Keyturn on MySQL and MariaDB that RESULTS.md has', () => {
    const found = rowsOf(ended.stdout, 'Keyturn')
    expect(found.length).toBeGreaterThan(8)
    expect(found).toEqual(rowsOf(before, 'Keyturn'))
  })
})
