import { describe, expect, test } from 'vitest'
import { AuditProgress, planText } from '../../../cli/audit/progress.ts'
import { Output } from '../../../cli/output.ts'
import type { CollectProgress } from '../../../fleet/audit/collect.ts'

/** @returns what is written to stderr, with a tenth of a second between two steps */
function shown(steps: CollectProgress[], live: boolean, gap = 100): string {
  let [text, now] = ['', 0]
  const err = {
    isTTY: live,
    write: (more: string) => {
      text += more
    },
  }
  const progress = new AuditProgress(new Output({ write() {} }, err, {}), { inPlace: live, now: () => now })
  for (const step of steps) {
    progress.showProgress(step)
    now += gap
  }
  return text
}

const details = (done: number): CollectProgress => ({ part: 'details', done, of: 100 })

describe('progress', () => {
  test('never decreases, in whatever order answers come', () => {
    const text = shown(
      [details(10), details(50), details(20), { part: 'lists', done: 99 }, details(60)],
      true,
    )
    expect([...text.matchAll(/(\d+) of 100/g)].map(([, done]) => Number(done))).toEqual([10, 50, 60])
    expect(text).not.toContain('99')
  })

  test('on a terminal is a bar, which is full at the end', () => {
    expect(shown([details(50), details(100)], true)).toContain(
      `[${'#'.repeat(15)}${'.'.repeat(15)}] 50 of 100 answers`,
    )
    expect(shown([details(99), details(100)], true, 1)).toContain(`[${'#'.repeat(30)}] 100 of 100 answers`)
  })

  test('elsewhere is a line from time to time', () => {
    const steps = Array.from({ length: 99 }, (_, i) => details(i + 1))
    expect(shown(steps, false, 1000).trim().split('\n')).toEqual(
      [1, 16, 31, 46, 61, 76, 91].map(n => `${n} of 100 answers`),
    )
  })

  test('counts pages while their number is not known', () => {
    expect(shown([{ part: 'lists', done: 3 }], false)).toBe('3 pages of lists read\n')
  })
})

test('a plan says how many calls the audit makes, within which limits, and how long they take', () => {
  const calls = [
    { service: 'Secrets Manager', operation: 'GetResourcePolicy', region: 'a', calls: 5000, perSecond: 50 },
    { service: 'Secrets Manager', operation: 'GetResourcePolicy', region: 'b', calls: 10, perSecond: 50 },
  ]
  expect(planText({ calls, seconds: 111.1 })).toBe(
    'Calls to make: 5,010 Secrets Manager GetResourcePolicy (50 a second in a Region). That takes about 2 minutes.',
  )
  expect(planText({ calls, seconds: 0.1 })).toContain('about 1 second.')
})
