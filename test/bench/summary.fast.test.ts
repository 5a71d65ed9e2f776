import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { summaryTable } from '../../bench/official/summary.ts'

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8')
const files = ['RESULTS.md', 'TIMES.md'].map(name => read(`bench/official/${name}`))
const [results = '', times = ''] = files

test("README's table has the figures of the comparison with AWS's functions", () => {
  expect(read('README.md')).toContain(summaryTable(results, times))
})

test('a missing figure is an error', () => {
  expect(() => summaryTable(results.replaceAll('one user', 'no user'), times)).toThrow('there is no row')
})
