import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import { expect, test } from 'vitest'
import { scheduleIn, scheduleTagValue } from '../../../rotation/promotion/serviceSchedule.ts'
import { SERVICE_SCHEDULE_TAG } from '../../../rotation/tags.ts'

const tagged = (value: string) => ({ [SERVICE_SCHEDULE_TAG]: value })
const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

test.each<[RotationRulesType, RotationRulesType?]>([
  [{ ScheduleExpression: 'rate(10 days)' }],
  [{ ScheduleExpression: 'rate(4 hours)', Duration: '1h' }],
  [{ ScheduleExpression: 'cron(0 16 1,15 * ? *)', Duration: '3h' }],
  [{ ScheduleExpression: 'cron(0 8 ? * SUN#1 *)' }],
  [{ AutomaticallyAfterDays: 30 }],
  [{ AutomaticallyAfterDays: 30, Duration: '2h' }],
  // RotateSecret takes no more than one of the two.
  [
    { AutomaticallyAfterDays: 10, ScheduleExpression: 'rate(10 days)' },
    { ScheduleExpression: 'rate(10 days)' },
  ],
])('%j reads back exactly, in the characters and the length that a tag may have', (rules, read = rules) => {
  const value = scheduleTagValue(rules) ?? ''
  expect(value).toMatch(/^[\w-]{1,256}$/)
  expect(scheduleIn(tagged(value))).toEqual(read)
})

test.each([undefined, {}, { Duration: '3h' }])('the rules %j are no schedule', rules => {
  expect(scheduleTagValue(rules)).toBeUndefined()
})

test('a schedule that is too long for a tag is not kept, as half of it would be another one', () => {
  const ofLength = (length: number) => ({ ScheduleExpression: 'x'.repeat(length) })
  expect(scheduleTagValue(ofLength(181))).toHaveLength(256)
  expect(scheduleTagValue(ofLength(182))).toBeUndefined()
})

test.each([
  ['nothing', {}],
  ['an empty value', tagged('')],
  ['what is no base64url', tagged('rate(10 days)')],
  ['what is no JSON', tagged(Buffer.from('rate(10 days)').toString('base64url'))],
  ['no object', tagged(encoded('rate(10 days)'))],
  ['no rule', tagged(encoded({ duration: '3h' }))],
  ['a rule of another kind', tagged(encoded({ rule: { days: 30 } }))],
  ['a duration of another kind', tagged(encoded({ rule: 'rate(10 days)', duration: 3 }))],
])('a tag that holds %s is read as no schedule', (_, tags) => {
  expect(scheduleIn(tags)).toBeUndefined()
})
