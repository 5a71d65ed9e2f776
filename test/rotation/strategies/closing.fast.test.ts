import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { strategies } from '../../../rotation/strategies/index.ts'
import { STRATEGY_NAMES } from '../../../rotation/strategies/strategyNames.ts'

const project = join(import.meta.dirname, '../../..')
const name = `'(?:${STRATEGY_NAMES.join('|')})'`
/** Matches a list of three or more names of strategies in square brackets. */
const list = new RegExp(`\\[\\s*(${name}(?:,\\s*${name}){2,}),?\\s*\\]`, 'g')

test('each list in fleet/ of the strategies that close something afterwards is complete', () => {
  const closing = STRATEGY_NAMES.filter(name => strategies[name].retire).sort()
  const lists = globSync('fleet/**/*.ts', { cwd: project }).flatMap(file =>
    [...readFileSync(join(project, file), 'utf8').matchAll(list)].map(([, names = '']) => ({ file, names })),
  )
  expect(lists.length).toBeGreaterThan(1)
  for (const { file, names } of lists)
    expect([...names.matchAll(/[\w-]+/g)].map(String).sort(), file).toEqual(closing)
})
