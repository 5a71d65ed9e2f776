import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ENDINGS_BY_STATE } from '../../../fleet/endings.ts'
import type { StateName } from '../../../fleet/states.ts'
import { mailTextOf } from '../../../functions/alarm/alarm.ts'
import { itemIdOf } from '../../../functions/alarm/ledgerTable.ts'
import { readAlarm } from '../../../functions/alarm/readAlarm.ts'
import type { Verdict } from '../../../functions/alarm/verifyEvent.ts'
import { pagerDuty } from '../../../functions/alarm/webhook/pagerduty.ts'
import { slack } from '../../../functions/alarm/webhook/slack.ts'
import { teams } from '../../../functions/alarm/webhook/teams.ts'
import { services } from '../../../functions/alarm/webhook/webhook.ts'
import {
  cloudWatchAlarmEvent,
  credentialsLateEvent,
  criticalReportEvent,
  executionFailedEvent,
  lockedOutEvent,
  managedRotationAbandonedEvent,
  managedRotationFailedEvent,
  retirementFailedEvent,
  rotatedEvent,
  rotationFailedEvent,
  runFailedEvent,
  runReportEvent,
} from '../../support/alarmEvents.ts'
import { guide, weighed } from './reading.ts'

const kinds = [
  managedRotationAbandonedEvent,
  cloudWatchAlarmEvent('keyturn-test-locked-out', 'ALARM', 'what it means'),
  rotationFailedEvent,
  credentialsLateEvent,
  lockedOutEvent,
  managedRotationFailedEvent,
  criticalReportEvent,
  runReportEvent,
  retirementFailedEvent,
  rotatedEvent,
  runFailedEvent,
  executionFailedEvent('ABORTED'),
  executionFailedEvent('FAILED', 'TestFailed', 'testSecret: no'),
]

/** @returns every path of a value at which something can be put */
function placesIn(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, child]) => placesIn(child, [...path, key]))]
}

function put(value: unknown, [key, ...rest]: string[], what: unknown): unknown {
  if (key === undefined) return what
  if (typeof value !== 'object' || value === null) return value
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>
  copy[key] = put(copy[key], rest, what)
  return copy
}

/** Values that the author of an event could put anywhere. */
const anything = fc.oneof(
  fc.anything({ withBigInt: false }),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.constantFrom(
    '',
    ' ',
    '\n\n',
    '<!channel>',
    '[a](https://evil.example)',
    'constructor',
    '__proto__',
    'x'.repeat(20_000),
  ),
  fc.constantFrom(null, undefined, Number.NaN, Number.POSITIVE_INFINITY, 1e308, -1, [], {}),
  fc.constantFrom('+275760-09-13T00:00:00.001Z', '0000-00-00', '9999999999-01-01T00:00:00Z'),
)

const event = fc
  .constantFrom(...kinds)
  .chain(kind =>
    fc
      .array(fc.tuple(fc.constantFrom(...placesIn(kind)), anything), { maxLength: 4 })
      .map(changes => changes.reduce((changed: unknown, [path, what]) => put(changed, path, what), kind)),
  )
const states = [...Object.keys(ENDINGS_BY_STATE), 'of another release'] as StateName[]
const last = fc.option(
  fc.record({ state: fc.constantFrom(...states), input: anything, at: fc.constant(0) }),
  { nil: undefined },
)
const worth = fc.constantFrom<Verdict>('proven', 'denied', 'unknown', 'early')
const url = new URL('https://events.pagerduty.com/v2/enqueue#key')

test('whatever is in an event, its message is readable, and each service accepts it', () => {
  fc.assert(
    fc.property(event, worth, last, (raw, worth, last) => {
      const alarm = readAlarm(weighed(raw, worth, last && { lastState: last }), guide)
      if (!alarm) throw new Error('nobody would be told')
      // SNS accepts subjects of at most 100 printable characters, of which the first is no space.
      expect(alarm.subject).toMatch(/^(CRITICAL|ERROR)[ -~]+$/)
      expect(alarm.subject.length).toBeLessThanOrEqual(99)
      expect(mailTextOf(alarm)).toMatch(/^[^\n]+\n\n/)
      expect(Buffer.byteLength(mailTextOf(alarm))).toBeLessThan(256 * 1024)
      expect(alarm.runbook).toMatch(/^docs\/runbook\.md#[a-z-]+$/)
      expect(alarm.console ?? 'https://eu-west-1.console.aws.amazon.com/').toMatch(
        /^https:\/\/[a-z]{2}(-[a-z]+){1,3}-\d\.console\.(aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com)\//,
      )
      // DynamoDB's partition keys have at most 2048 bytes.
      for (const key of [alarm.key, ...alarm.otherKeys, alarm.credential ?? ''])
        expect(Buffer.byteLength(itemIdOf(key))).toBeLessThanOrEqual(2048)
      expect(Number.isFinite(alarm.happenedAt)).toBe(true)
      for (const service of services)
        for (const alarms of [[alarm], [alarm, alarm]])
          for (const { body } of service.messages(alarms, url)) {
            const text = JSON.stringify(body)
            if (service === teams) {
              expect(Buffer.byteLength(text)).toBeLessThan(28 * 1024)
              expect(text).not.toContain('"[a](https://evil')
            }
            if (service === pagerDuty) {
              const { dedup_key, payload } = body as { dedup_key: string; payload: { summary: string } }
              expect(dedup_key.length).toBeLessThanOrEqual(255)
              expect(payload.summary.length).toBeLessThanOrEqual(1_024)
            }
            if (service === slack) expect(text).not.toContain('<!channel>')
            if (service === slack)
              for (const block of (body as { blocks: { text: { text: string } }[] }).blocks)
                expect(block.text.text.length).toBeLessThanOrEqual(3_000)
          }
    }),
    { numRuns: 6_000 },
  )
}, 120_000)
