import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }

const file = fileURLToPath(new URL(`../../${manifest.bin.keyturn}`, import.meta.url))
const keyturn = (...words: string[]) => spawnSync(process.execPath, [file, ...words], { encoding: 'utf8' })

test('--version prints the version of the package', () => {
  expect(keyturn('--version')).toMatchObject({ status: 0, stdout: `${manifest.version}\n` })
})

test('--help names every command; without a command, the same text is printed and the command fails', () => {
  const { stdout } = keyturn('--help')
  for (const command of ['rotate', 'version', 'demo'])
    expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
  expect(keyturn()).toMatchObject({ status: 2, stdout, stderr: '' })
})

test.each([
  [['rotat'], "unknown command 'rotat'"],
  [['demo', 'twice'], 'too many arguments'],
  [['demo', '--foo'], "unknown option '--foo'"],
  [['--stage'], "option '--stage <name>' argument missing"],
])('%j is refused with one line, and another that lists what is possible', (words, problem) => {
  const { status, stdout, stderr } = keyturn(...words)
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(
    words[0] === 'demo' ? /^keyturn: .*\nSee keyturn demo --help\n$/ : /^keyturn: .*\nSee keyturn --help\n$/,
  )
  expect(stderr).toContain(problem)
})

test('a Node that is too old is refused before anything is loaded', () => {
  for (const [version, refused] of [
    ['20.19.0', true],
    ['22.12.0', true],
    ['22.13.0', false],
  ] as const) {
    const old = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'${version}'})`
    const ran = spawnSync(process.execPath, ['--import', old, file, '--version'], { encoding: 'utf8' })
    expect(ran.status).toBe(refused ? 2 : 0)
    if (refused)
      expect(ran.stderr).toMatch(/^keyturn: it needs Node 22.13 or later, and this is 2\d.*\n.+\n$/)
  }
})
