import { createHash } from 'node:crypto'
import { collectGarbageEarly } from '../../../cli/audit/gather.ts'
import { Journal } from '../../../cli/audit/journal.ts'
import { Clients } from '../../../cli/clients.ts'
import { collectFacts } from '../../../fleet/audit/collect.ts'
import { judgeFacts } from '../../../fleet/audit/judge.ts'
import { DEFAULT_POLICY } from '../../../fleet/audit/policy/policy.ts'
import { RateLimiter } from '../../../fleet/audit/rateLimiter.ts'

/** What this process prints as lines of JSON: its progress, and at the end the result. */
export type Line =
  | { part: 'lists' | 'details'; done: number; of?: number }
  | { digest: string; credentials: number; megabytes: number; milliseconds: number }

// Collects and judges the facts of an account. It runs as a process of its own, so that a test can measure its memory and kill it.
const [journal = '', mode = 'begin', factor = '1'] = process.argv.slice(2)
const [account, stage, region] = ['123456789012', 'dev', 'eu-west-1']
const print = (line: Line) => process.stdout.write(`${JSON.stringify(line)}\n`)

collectGarbageEarly()
const started = performance.now()
const head = { account, stage, region }
const keptAnswers = mode === 'resume' ? Journal.resume(journal, head) : Journal.begin(head, journal)
const facts = await collectFacts(new Clients({ region }), {
  ...{ account, stage, region, keptAnswers, rateLimiter: new RateLimiter({ factor: Number(factor) }) },
  onProgress: print,
})
keptAnswers.close()
const report = judgeFacts(facts, DEFAULT_POLICY)
const digest = createHash('sha256').update(JSON.stringify(facts)).update(JSON.stringify(report)).digest('hex')
const megabytes = process.resourceUsage().maxRSS / 1024
print({
  ...{ digest, credentials: facts.credentials.length, megabytes },
  milliseconds: performance.now() - started,
})
