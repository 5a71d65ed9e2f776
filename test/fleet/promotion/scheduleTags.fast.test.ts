import { expect, test } from 'vitest'
import type { ScheduledCredential } from '../../../fleet/inventory.ts'
import { findOutdatedScheduleTags } from '../../../fleet/promotion/scheduleTags.ts'

const region = 'eu-west-1'
const home = { 'keyturn:home': region }
const secret = (id: string, more: Partial<ScheduledCredential> = {}): ScheduledCredential => ({
  store: 'secrets-manager',
  id,
  arn: `arn:${id}`,
  tags: home,
  currentSince: new Date(0),
  serviceSchedule: 'schedule',
  ...more,
})
const chosen = (all: ScheduledCredential[], due = new Set<ScheduledCredential>(), run = 'run-1') =>
  findOutdatedScheduleTags(all, { region, run, due })

test.each<[string, Partial<ScheduledCredential>, string[]]>([
  ['without the tag', {}, ['shop']],
  ['with the tag of an earlier schedule', { tags: { ...home, 'keyturn:service-schedule': 'old' } }, ['shop']],
  ['whose tag tells it', { tags: { ...home, 'keyturn:service-schedule': 'schedule' } }, []],
  ['at home elsewhere', { tags: { 'keyturn:home': 'us-east-1' } }, []],
  ['without a home', { tags: {} }, []],
  ['with a version pending', { pending: 'token' }, []],
])('a secret %s: %j chooses %j', (_, more, ids) => {
  expect(chosen([secret('shop', more)]).map(({ id }) => id)).toEqual(ids)
})

test('a secret that Secrets Manager does not rotate by this stack has no schedule', () => {
  const { serviceSchedule: _, ...other } = secret('shop')
  expect(chosen([other])).toEqual([])
})

test('a secret that is due in this run is left to a later one', () => {
  const [due, other] = [secret('due'), secret('other')]
  expect(chosen([due, other], new Set([due]))).toEqual([{ id: 'other', arn: 'arn:other', value: 'schedule' }])
})

test('a run writes twenty schedules, and the next run others', () => {
  const all = Array.from({ length: 200 }, (_, n) => secret(`shop/${n}`))
  const [first, second] = [chosen(all), chosen(all, new Set(), 'run-2')]
  expect([first.length, second.length]).toEqual([20, 20])
  const again = second.filter(({ id }) => first.some(one => one.id === id))
  expect(again.length).toBeLessThan(10)
})
