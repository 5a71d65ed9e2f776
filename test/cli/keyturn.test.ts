import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }

const file = fileURLToPath(new URL(`../../${manifest.bin.keyturn}`, import.meta.url))
const keyturn = (...words: string[]) => spawnSync(process.execPath, [file, ...words], { encoding: 'utf8' })

test('--version is that of the package', () => {
  expect(keyturn('--version')).toMatchObject({ status: 0, stdout: `${manifest.version}\n` })
})

test('--help names every command; no command, or one that is not there, says the same and fails', () => {
  const { stdout } = keyturn('--help')
  expect(stdout).toContain('demo')
  for (const words of [[], ['rotat'], ['demo', 'twice']])
    expect(keyturn(...words)).toMatchObject({ status: 2, stdout })
})

test('an option that is not known is refused, whatever the command', () => {
  const { status, stdout, stderr } = keyturn('demo', '--foo')
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(/^keyturn: .*'--foo'.*\nWhat there is: keyturn --help\n$/)
})
