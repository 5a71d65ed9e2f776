import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { rateLimitOf } from '../../../fleet/audit/rateLimits.ts'

const project = join(import.meta.dirname, '../../..')
const sources = ['fleet/audit', 'cli/audit']
  .flatMap(folder =>
    readdirSync(join(project, folder), { recursive: true, encoding: 'utf8' }).map(path => join(folder, path)),
  )
  .filter(path => path.endsWith('.ts'))
  .concat(['stacks', 'stackResources', 'subscriptions'].map(name => `fleet/${name}.ts`))
const textOf = (path: string) => readFileSync(join(project, path), 'utf8')

/** A command of the SDK, or a paginator. */
const asked = [
  ...new Set(
    sources.flatMap(path =>
      [...textOf(path).matchAll(/\b(?:new |paginate)([A-Z]\w+?)(?:Command)?\(/g)].flatMap(([whole, name]) =>
        whole.startsWith('paginate') || whole.endsWith('Command(') ? (name ?? '') : [],
      ),
    ),
  ),
]

describe('the calls of an audit', () => {
  test('are found in its sources', () => {
    expect(sources.length).toBeGreaterThan(15)
    expect(asked).toContain('GetResourcePolicy')
    expect(asked).toContain('ListFindings')
    expect(asked).toContain('ListSubscriptionsByTopic')
  })

  test('include none that can return a value', () => {
    for (const path of sources)
      expect(
        textOf(path).match(/GetSecretValueCommand|GetParameters?\w*Command|\bDecrypt\w*Command/g),
        path,
      ).toBeNull()
  })

  test.each(asked)('%s only reads, and has a limit with a source', name => {
    expect(name).toMatch(/^(List|Describe|Get|Lookup)/)
    const limits = [
      'secretsmanager',
      'ssm',
      'tagging',
      'lambda',
      'cloudtrail',
      'sns',
      'cloudformation',
      'access-analyzer',
    ]
      .map(service => rateLimitOf(service, name))
      .filter(limit => limit !== undefined)
    expect(limits).toHaveLength(1)
    expect(limits[0]?.source).toMatch(/^(https:\/\/|AWS publishes no number).*\d{4}-\d\d-\d\d$/)
  })
})
