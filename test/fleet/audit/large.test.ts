import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build, stop } from 'esbuild'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { rateLimitOf } from '../../../fleet/audit/rateLimits.ts'
import { declareFleet } from '../../../local/aws/audited/fleet.ts'
import { type AuditedAccount, type Call, startAuditedAccount } from '../../../local/aws/audited.ts'
import type { Line } from '../../support/audit/collectApart.ts'
import { awsEnvironment } from '../../support/audit/gatherFacts.ts'

/** How many times faster than AWS everything is: the limits on both sides. */
const FASTER = 8
const folder = mkdtempSync(join(tmpdir(), 'keyturn-large-'))
const program = join(folder, 'collect.mjs')

let account: AuditedAccount
const running: ChildProcess[] = []

beforeAll(async () => {
  // Bundled as the packed command is, since loading sources takes memory of its own.
  await build({
    ...{ entryPoints: [fileURLToPath(new URL('../../support/audit/collectApart.ts', import.meta.url))] },
    ...{ outfile: program, bundle: true, format: 'esm', platform: 'node', mainFields: ['module', 'main'] },
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  })
  await stop()
})
afterEach(async () => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
  await account?.stop()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Collects in a process of its own. `killed` decides by the lines printed so far whether to kill it. */
async function collectApart(
  journal: string,
  mode: 'begin' | 'resume',
  killed = (_: Line) => false,
): Promise<Line[]> {
  const words = [program, join(folder, journal), mode, `${FASTER}`]
  const env = { PATH: process.env.PATH, HOME: '/nonexistent', ...awsEnvironment(account) }
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  running.push(child)
  const told: Line[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const one = JSON.parse(line) as Line
    told.push(one)
    if (killed(one)) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return told
}

const endOf = (told: Line[]) => {
  const last = told.at(-1)
  if (!last || !('digest' in last)) throw new Error('it did not come to its end')
  return last
}

/** The most calls of one kind in a second, by Region, service and operation. */
function busiest(calls: Call[]): Map<string, number> {
  const most = new Map<string, number>()
  for (const [kind, some] of Map.groupBy(calls, call => `${call.region} ${call.service} ${call.action}`)) {
    const times = some.map(({ atMs }) => atMs / 1000)
    let from = 0
    times.forEach((at, i) => {
      while ((times[from] ?? at) <= at - 1) from += 1
      most.set(kind, Math.max(most.get(kind) ?? 0, i - from + 1))
    })
  }
  return most
}

test('an audit of 5,000 secrets and 5,000 parameters takes little memory, stays within the limits, and its progress never decreases', async () => {
  account = await startAuditedAccount(declareFleet(5000), { throttle: FASTER })
  const told = await collectApart('large', 'begin')
  const { megabytes, credentials } = endOf(told)
  expect(credentials).toBe(10_500)
  expect(megabytes).toBeLessThan(256)
  for (const part of ['lists', 'details']) {
    const done = told.flatMap(one => ('part' in one && one.part === part ? one.done : []))
    expect(done.length).toBeGreaterThan(50)
    expect(done).toEqual(done.toSorted((a, b) => a - b))
  }
  expect(account.calls.filter(({ action }) => action === 'GetResourcePolicy')).toHaveLength(5000)
  for (const [kind, most] of busiest(account.calls)) {
    const [, service = '', action = ''] = kind.split(' ')
    const limit = rateLimitOf(service, action)
    expect(limit, kind).toBeDefined()
    // On a busy machine delayed calls arrive together. AWS's token bucket has room for another second's calls.
    expect(most, kind).toBeLessThanOrEqual((limit?.perSecond ?? 0) * FASTER * 1.25)
  }
  expect(account.calls.filter(({ error }) => error === 'ThrottlingException')).toEqual([])
})

describe('an audit that was killed', () => {
  const fleet = declareFleet(120)
  let whole: { digest: string }
  let calls: number

  beforeAll(async () => {
    account = await startAuditedAccount(fleet, { throttle: FASTER })
    whole = endOf(await collectApart('whole', 'begin'))
    calls = account.calls.length
    await account.stop()
  })

  test.each([
    ['in the lists', (told: Line) => 'part' in told && told.part === 'lists' && told.done >= 5],
    ['in the details', (told: Line) => 'part' in told && told.part === 'details' && told.done >= 100],
  ])('%s goes on to the same facts', async (where, killed) => {
    account = await startAuditedAccount(fleet, { throttle: FASTER })
    expect((await collectApart(where, 'begin', killed)).every(one => !('digest' in one))).toBe(true)
    const resumed = endOf(await collectApart(where, 'resume'))
    expect(resumed.digest).toBe(whole.digest)
    // The calls that were not answered when it was killed are repeated, and so are those for the tables.
    expect(account.calls.length).toBeLessThan(calls + 60)
  })
})
