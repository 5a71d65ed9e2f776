import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { afterAll, beforeEach, expect, test } from 'vitest'
import type { Alarm } from '../../../functions/alarm/alarm.ts'
import { postWebhook, WebhookFailed } from '../../../functions/alarm/webhook/webhook.ts'
import { executionArn, lockedOutEvent, rotationFailedEvent } from '../../support/alarmEvents.ts'
import { read } from './reading.ts'

type Answer = { status: number; retryAfter?: string } | undefined
type Posted = {
  path: string
  type: string | undefined
  text: string
  body: Record<string, unknown>
  at: number
}

/** A server that plays every service of a webhook, and answers as `answer` says, or not at all. */
let answer: (posted: Posted, n: number) => Answer
let posted: Posted[] = []
const chat = createServer(async (incoming, outgoing) => {
  const text = Buffer.concat(await incoming.toArray()).toString()
  const type = incoming.headers['content-type']
  const one = { path: incoming.url ?? '', type, text, body: JSON.parse(text), at: Date.now() }
  posted.push(one)
  const answered = answer(one, posted.length)
  if (!answered) return
  const { status, retryAfter } = answered
  const more = retryAfter === undefined ? {} : { 'retry-after': retryAfter }
  outgoing.writeHead(status, { location: 'https://elsewhere.example/', ...more }).end('no_service')
})
chat.listen(0, '127.0.0.1')
await once(chat, 'listening')
const local = `http://127.0.0.1:${(chat.address() as AddressInfo).port}`
/** A fetch that goes to that server, whatever the host. */
const send: typeof fetch = (url, options) => {
  const { pathname, search, hash } = new URL(String(url))
  return fetch(`${local}${pathname}${search}${hash}`, options)
}

beforeEach(() => {
  posted = []
  answer = () => ({ status: 202 })
})
afterAll(() => {
  chat.close()
  chat.closeAllConnections()
})

const addresses = {
  Slack: 'https://hooks.slack.com/services/Hidden-1',
  Teams: 'https://shop.webhook.office.com/webhookb2/Hidden-1?a=b',
  PagerDuty: 'https://events.pagerduty.com/v2/enqueue#Hidden-1',
}
const alarm = read(lockedOutEvent)
const of = (
  n: number,
  event: typeof rotationFailedEvent | typeof lockedOutEvent = rotationFailedEvent,
  id = `secret-${n}`,
) =>
  read({
    ...event,
    id: `event-${n}`,
    detail: {
      ...event.detail,
      execution: `${executionArn}-${n}`,
      rotation: { ...event.detail.rotation, id },
    },
  })

/** Posts alarms. @returns which were told and which were not */
async function post(address: string, alarms: Alarm[], patience = 30_000, target = send) {
  const told: Alarm[] = []
  const failed = await postWebhook(
    address,
    alarms,
    Date.now() + patience,
    async some => void told.push(...some),
    target,
  )
  for (const error of failed.values()) {
    expect(error).toBeInstanceOf(WebhookFailed)
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
  }
  return { told, failed }
}
async function failure(address: string, target = send): Promise<string> {
  const { failed, told } = await post(address, [alarm], 30_000, target)
  expect(told).toEqual([])
  return [...failed.values()].map(({ message }) => message).join()
}

test.each([
  'https://hooks.slack.com/services/T/B/key',
  'https://hooks.slack-gov.com/services/T/B/key',
  'https://shop.webhook.office.com/webhookb2/key?a=b',
  'https://prod-12.westeurope.logic.azure.com:443/workflows/key?sig=x',
  'https://default1.2.environment.api.powerplatform.com:443/powerautomate/key?sig=x',
  'https://events.pagerduty.com/v2/enqueue#routing-key',
  'https://events.eu.pagerduty.com/v2/enqueue#routing-key',
])('%s gets the alarm as JSON, at its path', async url => {
  const { told } = await post(url, [alarm])
  expect(told).toEqual([alarm])
  expect(posted).toMatchObject([{ type: 'application/json' }])
  expect(url.replace('#routing-key', '')).toContain(posted[0]?.path)
})

test('only PagerDuty gets the routing key, in the body', async () => {
  await post('https://events.pagerduty.com/v2/enqueue#routing-key', [alarm])
  expect(posted).toMatchObject([
    {
      path: '/v2/enqueue',
      body: {
        routing_key: 'routing-key',
        event_action: 'trigger',
        dedup_key: 'keyturn secrets-manager shop/database critical',
        payload: { severity: 'critical', timestamp: '2026-11-21T10:00:00.000Z' },
      },
    },
  ])
})

test('in Slack no text becomes a link, notifies a channel or ends a label', async () => {
  const id = 'a<b>&c <!channel> <https://evil.example|look>'
  await post(addresses.Slack, [of(1, rotationFailedEvent, id)])
  await post(addresses.Slack, [of(1, rotationFailedEvent, id), of(2)])
  expect(posted).toHaveLength(2)
  for (const { text } of posted) {
    expect(text).not.toMatch(/<[!h]/)
    expect(text).toContain('a&lt;b&gt;&amp;c &lt;!channel&gt;')
  }
})

test('in Teams no text becomes a link or emphasis', async () => {
  const id = '[look](https://evil.example) *now* _now_ <b>'
  await post(addresses.Teams, [of(1, rotationFailedEvent, id)])
  await post(addresses.Teams, [of(1, rotationFailedEvent, id), of(2)])
  expect(posted).toHaveLength(2)
  for (const { text } of posted) {
    expect(JSON.stringify(JSON.parse(text))).not.toContain('[look](')
    expect(text).toContain(String.raw`\\[look\\](https://evil.example) \\*now\\* \\_now\\_ \\<b\\>`)
  }
})

test.each([
  [302, 'Slack answered 302'],
  [400, 'Slack answered 400'],
  [404, 'Slack answered 404'],
  [500, 'Slack answered 500'],
])('an answer of %i fails, without the URL in the error', async (status, message) => {
  answer = () => ({ status })
  expect(await failure(addresses.Slack)).toBe(message)
  expect(posted).toHaveLength(1)
})

test('a missing answer fails after five seconds, and does not delay other outlets', async () => {
  answer = () => undefined
  const begin = Date.now()
  const alarms = [1, 2, 3].map(n => of(n, lockedOutEvent))
  const { failed } = await post(addresses.PagerDuty, alarms)
  expect([...failed.values()].map(({ message }) => message)).toEqual(Array(3).fill('PagerDuty: TimeoutError'))
  expect(posted).toHaveLength(1)
  expect(Date.now() - begin).toBeLessThan(10_000)
})

test('a port that is closed fails', async () => {
  const closed = (_: unknown, options?: RequestInit) => fetch('http://127.0.0.1:1/Hidden-1', options)
  expect(await failure(addresses.Slack, closed as typeof fetch)).toMatch(/^Slack: \w+$/)
})

test.each([
  '',
  'Hidden-1',
  'http://hooks.slack.com/services/Hidden-1',
  'https://hooks.slack.com.example/Hidden-1',
  'https://example.com/Hidden-1?hooks.slack.com',
  'https://169.254.169.254/Hidden-1',
])('only https and known services are accepted: %j', async address => {
  expect(await failure(address)).toBe('the webhook should be an https URL of Slack, Teams or PagerDuty')
  expect(posted).toEqual([])
})

test.each([
  ['seconds', '1'],
  ['a time', 'date'],
  ['nothing', undefined],
])('after 429 with Retry-After in %s, posting waits and goes on', async (_, given) => {
  const retryAfter = given === 'date' ? new Date(Date.now() + 2_000).toUTCString() : given
  answer = (_, n) => (n === 1 ? { status: 429, ...(retryAfter && { retryAfter }) } : { status: 202 })
  const { told, failed } = await post(addresses.Slack, [alarm])
  expect([told, failed.size]).toEqual([[alarm], 0])
  expect((posted[1]?.at ?? 0) - (posted[0]?.at ?? 0)).toBeGreaterThanOrEqual(given === 'date' ? 500 : 950)
})

test('429 for longer than the time limit leaves the rest for later', async () => {
  answer = (_, n) => (n === 1 ? { status: 202 } : { status: 429, retryAfter: '600' })
  const alarms = [1, 2, 3].map(n => of(n, lockedOutEvent))
  const { told, failed } = await post(addresses.PagerDuty, alarms)
  expect(told).toEqual(alarms.slice(0, 1))
  expect([...failed.keys()]).toEqual(alarms.slice(1))
  expect(posted).toHaveLength(2)
})

test('an alarm that the service refuses does not block others', async () => {
  const alarms = [1, 2, 3].map(n => of(n))
  answer = ({ text }) => ({ status: text.includes('secret-2') ? 400 : 202 })
  const { told, failed } = await post(addresses.Slack, alarms)
  expect(told).toEqual([alarms[0], alarms[2]])
  expect([...failed.keys()]).toEqual([alarms[1]])
})

/** 300 failures, twenty of them critical, in batches of a hundred. */
const flood = Array.from({ length: 300 }, (_, n) =>
  of(n, n % 15 ? rotationFailedEvent : lockedOutEvent, `${'x'.repeat(200)}/${n}`),
)

test.each(['Slack', 'Teams'] as const)(
  'many alarms at once become few messages for %s, within its limits, that name every alarm',
  async name => {
    for (let n = 0; n < 300; n += 100) await post(addresses[name], flood.slice(n, n + 100))
    // The limit is one message a second, so this is far from two minutes.
    expect(posted.length).toBeLessThan(20)
    const all = posted.map(({ text }) => text).join()
    for (let n = 0; n < 300; n++) expect(all).toMatch(new RegExp(`x/${n} failed`))
    for (const { text, body } of posted) {
      if (name === 'Teams') expect(Buffer.byteLength(text)).toBeLessThan(28 * 1024)
      else {
        const { blocks } = body as { blocks: { text: { text: string } }[] }
        expect(blocks.length).toBeLessThanOrEqual(50)
        const lengths = blocks.map(block => block.text.text.length)
        expect(Math.max(...lengths)).toBeLessThanOrEqual(3_000)
        expect(lengths.reduce((sum, length) => sum + length)).toBeLessThanOrEqual(13_200)
      }
    }
    // Critical failures come first.
    expect(posted[0]?.text.indexOf('CRITICAL')).toBeLessThan(posted[0]?.text.indexOf('ERROR') ?? 0)
  },
)

test('many alarms at once become, for PagerDuty, one event for each critical failure, and one for all errors', async () => {
  for (let n = 0; n < 300; n += 100) await post(addresses.PagerDuty, flood.slice(n, n + 100))
  const events = posted.map(
    ({ body }) => body as { dedup_key: string; payload: { summary: string; severity: string } },
  )
  const critical = events.filter(({ payload }) => payload.severity === 'critical')
  expect(new Set(critical.map(({ dedup_key }) => dedup_key)).size).toBe(20)
  expect(events).toHaveLength(23)
  for (const { dedup_key, payload } of events) {
    expect(dedup_key.length).toBeLessThanOrEqual(255)
    expect(payload.summary.length).toBeLessThanOrEqual(1_024)
  }
  const all = posted.map(({ text }) => text).join()
  for (let n = 0; n < 300; n++) expect(all).toMatch(new RegExp(`x/${n} failed`))
})

test('a recovery closes each incident in PagerDuty', async () => {
  const { console: _, ...rest } = alarm
  const well = {
    ...rest,
    console: undefined,
    severity: 'ok',
    incident: 'keyturn x',
    recoveredSeverities: ['error', 'critical'],
  } as Alarm
  await post(addresses.PagerDuty, [well])
  expect(posted.map(({ body }) => body)).toEqual(
    ['keyturn x', 'keyturn x critical'].map(dedup_key => ({
      routing_key: 'Hidden-1',
      event_action: 'resolve',
      dedup_key,
    })),
  )
})
