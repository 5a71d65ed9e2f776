import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const project = join(import.meta.dirname, '../..')
const pages = (pattern: string) => globSync(pattern, { cwd: project })
const read = (page: string) => readFileSync(join(project, page), 'utf8')
const results = [...pages('bench/*/RESULTS.md'), 'bench/audit/PAGE.md']
const times = pages('bench/*/*TIMES.md')

test('each page of results has one of times beside it', () => {
  expect(results.length).toBeGreaterThan(5)
  expect(times).toHaveLength(results.length)
})

test.each(results)('%s has neither times nor the load of a machine', page => {
  expect(read(page)).not.toMatch(/\| +[\d.]+ ms\b|load average|processors|median/)
})

test.each(times)('%s says when and where its times were measured', page => {
  expect(read(page)).toMatch(/^Measured on \d{4}-\d{2}-\d{2}\b.* \d+ processors/m)
})

test.each([...results, ...times])('%s: every link leads somewhere', page => {
  for (const [, target = ''] of read(page).matchAll(/\]\((?!https:)([^)#]+)/g))
    expect(existsSync(join(project, dirname(page), target)), target).toBe(true)
})
