import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lowerCase, undocumented } from './support/habits.ts'

const project = join(import.meta.dirname, '..')
const texts = globSync('**/*.ts', { cwd: project, exclude: ['node_modules', 'test', '.*'] })
  .sort()
  .map(file => [file, readFileSync(join(project, file), 'utf8')] as const)
const found = (look: (text: string) => string[]) =>
  texts.flatMap(([file, text]) => look(text).map(name => `${file}: ${name}`))

test('every export outside test/ has a docstring', () => {
  expect(found(undocumented)).toEqual([])
})

test('every module constant outside test/ with a literal value has a name in UPPER_CASE', () => {
  expect(found(lowerCase)).toEqual([])
})

test.each([
  ['export const a = 1', ['export const a = 1']],
  ['/** A. */\nexport const a = 1', []],
  ['/** A. */\nconst b = 1\nexport type A = {\n  b: 1\n}', ['export type A = {']],
  ['// A.\nexport class A {}', ['export class A {}']],
  [
    '/** A. */\nexport function a(b: 1): 1\nexport function a(b: 2): 2\nexport function a(b: 1 | 2) { return b }',
    [],
  ],
  [`export { a } from './a.ts'\nexport * from './b.ts'`, []],
  ['export default class A {}', ['export default class A {}']],
])('%j lacks the docstrings of %j', (text, lacking) => {
  expect(undocumented(text)).toEqual(lacking)
})

test.each([
  [`export const a = 1, b = 'b', c = /c/, d = -1, e = \`e\`, f = 5 * 60`, ['a', 'b', 'c', 'd', 'e', 'f']],
  [`const a = [1, 'b'] as const, b = { c: 1, d: [2] } satisfies B, c = new Set(['d'])`, ['a', 'b', 'c']],
  ['const a = LIMIT, b = [...NAMES, 1], c = { ...TABLE, d: LIMITS.d }', ['a', 'b', 'c']],
  ['const [a, B, c] = [1, 2, f()]', ['a']],
  ['const A = 1, A_1 = [2], TIMEOUT_MS = 3', []],
  ['const a = () => 1, b = f(1), c = new Map(), d = [], e = { f() {} }, g = { h: x => x }, i = b', []],
  ['let a = 1\nfunction b() { const c = 1 }', []],
])('of %j, %j should be in UPPER_CASE', (text, names) => {
  expect(lowerCase(text)).toEqual(names)
})
