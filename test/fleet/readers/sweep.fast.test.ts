import type { Event } from '@aws-sdk/client-cloudtrail'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type SweepOptions, type SweepPage, sweepCloudTrail } from '../../../fleet/readers/sweep.ts'
import { type ReadRow, ReadTally } from '../../../fleet/readers/tally.ts'
import { eventAt, session, trailOf } from './trail.ts'

const moment = '2026-11-30T06:00:00.000Z'
const since = '2026-11-23T06:00:00.000Z'
const always: SweepOptions = { moment, since, deadline: Number.POSITIVE_INFINITY }
const ended = Date.parse(moment)
const secondsAgo = (seconds: number) => new Date(ended - seconds * 1000).toISOString()

const secretRead = (at: string, secretId = 'shop', role = 'app', name = 'i-1') =>
  eventAt(at, {
    eventName: 'GetSecretValue',
    requestParameters: { secretId },
    userIdentity: session(role, name),
  })
const parameterRead = (at: string, name = '/shop/db') =>
  eventAt(at, { eventName: 'GetParameter', requestParameters: { name } })

/** @returns so many reads of one secret by five sessions, one each minute */
const manyReads = (count: number, apart = 60): Event[] =>
  Array.from({ length: count }, (_, n) => secretRead(secondsAgo(n * apart), 'shop', 'app', `i-${n % 5}`))

const sorted = (tally: ReadTally) =>
  tally.rows().sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

test('every read of the window is counted, once', async () => {
  const late = secretRead('2026-11-23T05:59:59Z')
  const { lookup } = trailOf([...manyReads(321), late, parameterRead(secondsAgo(5))])
  const { facts, tally, unreadable, stopped } = await sweepCloudTrail(lookup, always)
  expect(facts).toEqual({ completeSince: since, wantedSince: since, events: 322 })
  expect([unreadable, stopped]).toEqual([0, undefined])
  expect(sorted(tally)).toEqual([
    {
      target: 'parameter:/shop/db',
      principal: 'arn:aws:iam::123456789012:user/Alice',
      result: 'read',
      count: 1,
      first: secondsAgo(5),
      last: secondsAgo(5),
      sessions: [],
    },
    {
      target: 'secret:shop',
      principal: 'arn:aws:iam::123456789012:role/app',
      result: 'read',
      count: 321,
      first: secondsAgo(320 * 60),
      last: moment,
      sessions: [0, 1, 2, 3, 4].map(n => [`i-${n}`, secondsAgo(n * 60)]),
    },
  ])
})

test('events are asked for fifty at a time, by name, within the window', async () => {
  const { lookup, asked } = trailOf(manyReads(120))
  await sweepCloudTrail(lookup, { ...always, names: ['GetSecretValue'] })
  expect(asked).toHaveLength(3)
  expect(asked[0]).toEqual({
    LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'GetSecretValue' }],
    StartTime: new Date(since),
    EndTime: new Date(moment),
    MaxResults: 50,
  })
})

test('without time nothing is read, and nothing is known', async () => {
  const { lookup, asked } = trailOf(manyReads(1))
  const { facts, stopped } = await sweepCloudTrail(lookup, { ...always, deadline: performance.now() })
  expect(asked).toEqual([])
  expect(facts).toEqual({ completeSince: moment, wantedSince: since, events: 0 })
  expect(stopped).toBe('its time was over')
})

/** Stops the sweep after so many pages. */
async function pagesOf(events: Event[], most: number): Promise<SweepPage[]> {
  const pages: SweepPage[] = []
  await sweepCloudTrail(trailOf(events).lookup, {
    ...always,
    onPage: page => {
      if (pages.length === most) throw new Error('killed')
      pages.push(structuredClone(page))
    },
  }).catch(error => {
    if (error.message !== 'killed') throw error
  })
  return pages
}

test('a sweep that stops midway is complete since the second after the oldest read that it saw', async () => {
  const events = manyReads(500)
  const pages = await pagesOf(events, 7)
  const over = { ...always, deadline: performance.now(), pages }
  const { facts } = await sweepCloudTrail(trailOf(events).lookup, over)
  const seen = facts.events
  expect(seen % 50).toBe(0)
  expect(facts.completeSince).toBe(secondsAgo((seen - 1) * 60 - 1))
})

test('the events of all names are read back in time together', async () => {
  const parameters = Array.from({ length: 500 }, (_, n) => parameterRead(secondsAgo(n * 60)))
  const { lookup, asked } = trailOf([...manyReads(500), ...parameters])
  await sweepCloudTrail(lookup, always)
  const names = asked.map(({ LookupAttributes }) => LookupAttributes?.[0]?.AttributeValue)
  const ahead = names.map((_, n) => {
    const before = names.slice(0, n + 1)
    const count = (name: string) => before.filter(each => each === name).length
    return Math.abs(count('GetSecretValue') - count('GetParameter'))
  })
  expect(Math.max(...ahead)).toBe(1)
})

test('a sweep that is stopped after any page and resumed has the same result', async () => {
  // Two hundred reads are in one second, on several pages.
  const crowd = Array.from({ length: 200 }, () => secretRead(secondsAgo(3600)))
  const parameters = Array.from({ length: 70 }, (_, n) => parameterRead(secondsAgo(n)))
  const events = [...manyReads(160), ...crowd, ...parameters]
  const whole = await sweepCloudTrail(trailOf(events).lookup, always)
  const all = await pagesOf(events, 1000)
  expect(all.length).toBeGreaterThan(10)
  for (const [count] of all.entries()) {
    const pages = await pagesOf(events, count)
    const rest = await sweepCloudTrail(trailOf(events).lookup, { ...always, pages })
    expect(rest.facts, `after ${count} pages`).toEqual(whole.facts)
    expect(sorted(rest.tally), `after ${count} pages`).toEqual(sorted(whole.tally))
  }
})

test('a token that is refused costs one more call, and no read', async () => {
  const events = manyReads(230)
  const { lookup } = trailOf(events)
  let calls = 0
  const forgetful: typeof lookup = query => {
    if (query.NextToken && ++calls === 2)
      throw Object.assign(new Error('Invalid token'), { name: 'InvalidNextTokenException' })
    return lookup(query)
  }
  const { facts, tally } = await sweepCloudTrail(forgetful, always)
  expect(calls).toBeGreaterThan(2)
  expect(facts).toEqual({ completeSince: since, wantedSince: since, events: 230 })
  expect(tally.rows().map(({ count }) => count)).toEqual([230])
})

test('a temporary error ends the sweep with what it has, and a refusal is thrown', async () => {
  const failing = (name: string) => {
    const { lookup, asked } = trailOf(manyReads(500))
    return (query: Parameters<typeof lookup>[0]) => {
      if (asked.length === 8) throw Object.assign(new Error('no'), { name })
      return lookup(query)
    }
  }
  const { facts, stopped } = await sweepCloudTrail(failing('ThrottlingException'), always)
  expect(stopped).toBe('CloudTrail did not answer any more (ThrottlingException)')
  expect(facts.events).toBe(200)
  expect(facts.completeSince > since).toBe(true)
  await expect(sweepCloudTrail(failing('AccessDeniedException'), always)).rejects.toThrow('no')
})

test('further back than ninety days nothing is known, though all was seen', async () => {
  const { facts } = await sweepCloudTrail(trailOf([]).lookup, {
    ...always,
    since: '2026-01-01T00:00:00.000Z',
  })
  expect(facts.completeSince).toBe('2026-09-01T06:00:00.000Z')
})

test('an unreadable event is counted, and stops nothing', async () => {
  const torn = { ...secretRead(secondsAgo(1)), CloudTrailEvent: '{"eventName":"GetSec' }
  const untold = eventAt(secondsAgo(2), {
    eventName: 'GetSecretValue',
    requestParameters: { omitted: true, reason: 'size' },
  })
  const { tally, unreadable, facts } = await sweepCloudTrail(
    trailOf([torn, untold, secretRead(secondsAgo(3))]).lookup,
    always,
  )
  expect([unreadable, facts.events, tally.rows().map(({ count }) => count)]).toEqual([2, 3, [1]])
  expect(facts.lost).toBe(2)
})

test('a failed call hides no read, whatever its caller wrote into it', async () => {
  const forged = eventAt(secondsAgo(1), {
    eventName: 'GetSecretValue',
    errorCode: 'ValidationException',
    requestParameters: { secretId: 'x'.repeat(3000) },
  })
  const { unreadable, facts } = await sweepCloudTrail(trailOf([forged]).lookup, always)
  expect([unreadable, facts.lost]).toEqual([1, undefined])
})

const row: fc.Arbitrary<ReadRow> = fc
  .record({
    target: fc.constantFrom('secret:a', 'parameter:/b'),
    principal: fc.constantFrom('Alice', 'Bob'),
    result: fc.constantFrom('read', 'denied'),
    second: fc.nat(500),
    session: fc.constantFrom('s1', 's2', 's3', 's4', 's5', 's6', 's7', 's8'),
  })
  .map(({ second, session, ...rest }) => {
    const at = secondsAgo(second)
    return { ...rest, count: 1, first: at, last: at, sessions: [[session, at]] } as ReadRow
  })

test('the sum of reads does not depend on order or grouping', () => {
  const added = (rows: ReadRow[]) => {
    const tally = new ReadTally()
    for (const each of rows) tally.add(each)
    return tally
  }
  const shuffled = fc
    .array(row, { maxLength: 60 })
    .chain(rows =>
      fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows, { minLength: rows.length }), fc.nat(rows.length)),
    )
  fc.assert(
    fc.property(shuffled, ([rows, others, cut]) => {
      const lumped = [others.slice(0, cut), others.slice(cut)].flatMap(some => added(some).rows())
      expect(sorted(added(lumped))).toEqual(sorted(added(rows)))
    }),
  )
})
