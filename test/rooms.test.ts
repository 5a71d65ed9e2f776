import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const project = join(import.meta.dirname, '..')
const folder = await mkdtemp(join(tmpdir(), 'keyturn-rooms-'))
afterAll(() => rm(folder, { recursive: true }))

/** @returns the linter's findings about these files, by their paths, in a project with only them */
async function lint(files: Record<string, string>): Promise<string> {
  const here = await mkdtemp(join(folder, 'project-'))
  await cp(join(project, 'biome.json'), join(here, 'biome.json'))
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(here, dirname(path)), { recursive: true })
    await writeFile(join(here, path), text)
  }
  const biome = join(project, 'node_modules/@biomejs/biome/bin/biome')
  return new Promise(told =>
    execFile(
      process.execPath,
      [biome, 'lint', '--vcs-enabled=false', '--max-diagnostics=none'],
      { cwd: here },
      (_, out, err) => told(out + err),
    ),
  )
}

const one = 'export const one = 1\n'

test('a circle of imports is refused, also of types', async () => {
  const told = await lint({
    'rotation/a.ts': "import type { B } from './b.ts'\nexport type A = { b: B }\n",
    'rotation/b.ts': "import type { A } from './a.ts'\nexport type B = { a: A }\n",
  })
  expect(told).toContain('noImportCycles')
})

const up = [
  ['rotation', 'fleet'],
  ['fleet', 'functions'],
  ['functions', 'local'],
  ['local', 'cli'],
  ['local', 'bench'],
  ['cli', 'test'],
  ['bench', 'test'],
  ['scripts', 'test'],
] as const

test.each(up)('%s may not import from %s, which may import from it', async (below, above) => {
  const upwards = `import { one } from '../../${above}/deep/one.ts'\nexport const two = one + one\n`
  expect(await lint({ [`${above}/deep/one.ts`]: one, [`${below}/deep/two.ts`]: upwards })).toContain(
    `${below}/deep/two.ts:1:21 lint/style/noRestrictedImports`,
  )
  const downwards = `import { one } from '../../${below}/deep/one.ts'\nexport const two = one + one\n`
  expect(await lint({ [`${below}/deep/one.ts`]: one, [`${above}/deep/two.ts`]: downwards })).not.toContain(
    'lint/',
  )
})

test.each(['rotation', 'fleet', 'functions', 'scripts'])(
  '%s may not import bundle.ts and the other files that package it',
  async room => {
    const told = await lint({
      'bundle.ts': one,
      'bundleFunction.ts': one,
      [`${room}/two.ts`]: "import { one } from '../bundle.ts'\nexport const two = one + one\n",
      [`${room}/three.ts`]:
        "import { one } from '../bundleFunction.ts'\nexport const three = one + one + one\n",
    })
    for (const file of ['two.ts', 'three.ts'])
      expect(told).toContain(`${room}/${file}:1:21 lint/style/noRestrictedImports`)
  },
)

test.each(['engines/postgres.ts', 'stores/store.ts', 'steps.ts', 'rollback.ts', 'retire.ts'])(
  'the command may not import rotation/%s',
  async path => {
    const told = await lint({
      [`rotation/${path}`]: one,
      'cli/two.ts': `import { one } from '../rotation/${path}'\nexport const two = one + one\n`,
    })
    expect(told).toContain('The command touches no database and reads no value.')
  },
)

test('a function whose body has more than 60 lines is refused, except in a test', async () => {
  const long = (lines: number) => `export function long() {\n${"  console.log('line')\n".repeat(lines)}}\n`
  const told = await lint({ 'fleet/long.ts': long(61), 'fleet/short.ts': long(60), 'test/long.ts': long(61) })
  expect(told.match(/\S+ lint\/complexity\/noExcessiveLinesPerFunction/g)).toEqual([
    'fleet/long.ts:1:8 lint/complexity/noExcessiveLinesPerFunction',
  ])
})
