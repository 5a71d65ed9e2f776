import { createHash } from 'node:crypto'
import { saveMemory } from '../../../cli/audit/gather.ts'
import { Journal } from '../../../cli/audit/journal.ts'
import { Clients } from '../../../cli/clients.ts'
import { collect } from '../../../fleet/audit/collect.ts'
import { judge } from '../../../fleet/audit/judge.ts'
import { Pace } from '../../../fleet/audit/pace.ts'
import { defaults } from '../../../fleet/audit/policy/policy.ts'

/** What a process that gathers and judges tells: a line of JSON for each step, and at the end what came of it. */
export type Told =
  | { part: 'lists' | 'details'; done: number; of?: number }
  | { digest: string; credentials: number; megabytes: number; milliseconds: number }

// Run as a process of its own, so that its memory can be measured, and so that it can be killed.
const [journal = '', mode = 'begin', factor = '1'] = process.argv.slice(2)
const [account, stage, region] = ['123456789012', 'dev', 'eu-west-1']
const tell = (told: Told) => process.stdout.write(`${JSON.stringify(told)}\n`)

saveMemory()
const started = performance.now()
const head = { account, stage, region }
const units = mode === 'resume' ? Journal.resume(journal, head) : Journal.begin(head, journal)
const facts = await collect(new Clients({ region }), {
  ...{ account, stage, region, units, pace: new Pace({ factor: Number(factor) }) },
  onProgress: tell,
})
units.close()
const report = judge(facts, defaults)
const digest = createHash('sha256').update(JSON.stringify(facts)).update(JSON.stringify(report)).digest('hex')
const megabytes = process.resourceUsage().maxRSS / 1024
tell({
  ...{ digest, credentials: facts.credentials.length, megabytes },
  milliseconds: performance.now() - started,
})
