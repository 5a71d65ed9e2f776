import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const project = join(import.meta.dirname, '..')

/** @returns the files that have more lines */
const longerThan = (most: number, files: string[]) =>
  files.filter(file => readFileSync(join(project, file), 'utf8').split('\n').length - 1 > most)

test('no file outside test/ has more than 300 lines', () => {
  const files = globSync('**/*.ts', { cwd: project, exclude: ['node_modules', 'test', '.*'] })
  expect(files).toContain('rotation/steps.ts')
  expect(longerThan(300, files)).toEqual([])
})

test('no file in test/ has more than 700 lines', () => {
  const files = globSync('test/**/*.ts', { cwd: project })
  expect(files).toContain('test/stack/roles.test.ts')
  expect(longerThan(700, files)).toEqual([])
})
