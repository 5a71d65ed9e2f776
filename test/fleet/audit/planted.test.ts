import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { Clients } from '../../../cli/clients.ts'
import { collectFacts } from '../../../fleet/audit/collect.ts'
import { judgeFacts } from '../../../fleet/audit/judge.ts'
import { RateLimiter } from '../../../fleet/audit/rateLimiter.ts'
import { credentialRules } from '../../../fleet/audit/rules/rules.ts'
import { type AuditedAccount, startAuditedAccount } from '../../../local/aws/audited.ts'
import { ACCOUNT, HERE, MOMENT, told } from './facts.ts'
import { planted, plantings, policy } from './planted.ts'

const { regions, found } = planted()
let account: AuditedAccount

beforeAll(async () => {
  account = await startAuditedAccount({ moment: MOMENT, regions })
  vi.stubEnv('AWS_ENDPOINT_URL', account.url)
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test')
})
afterAll(() => account.stop())

test('at least 300 credentials have a breach and a near breach of each rule', () => {
  expect(Object.keys(plantings).sort()).toEqual(credentialRules.map(({ id }) => id).sort())
  const counts = Object.values(regions).map(
    ({ secrets = [], parameters = [] }) => secrets.length + parameters.length,
  )
  expect(counts).toHaveLength(2)
  expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(300)
})

test('every planted finding is found, and nothing else', async () => {
  const facts = await collectFacts(new Clients({ region: HERE }), {
    account: ACCOUNT,
    stage: 'dev',
    region: HERE,
    reads: { windowMs: 7 * 86_400_000, budgetMs: 60_000 },
    rateLimiter: new RateLimiter({ factor: 50 }),
  })
  const { findings } = judgeFacts(facts, policy)
  expect(findings.map(finding => `${finding.region} ${told(finding)}`).sort()).toEqual(found)
})
