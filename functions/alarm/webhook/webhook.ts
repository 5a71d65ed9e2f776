import { setTimeout as sleep } from 'node:timers/promises'
import type { Alarm } from '../alarm.ts'
import { pagerDuty } from './pagerduty.ts'
import type { Message, Service } from './service.ts'
import { slack } from './slack.ts'
import { teams } from './teams.ts'

/** The webhook did not take the alarm. Says which service and why, and never the URL, which is a secret. */
export class WebhookFailed extends Error {
  override readonly name = 'WebhookFailed'
}

const services: Service[] = [slack, teams, pagerDuty]

/** Milliseconds: of one request; and of a pause where the service says that it is too much, but not until when. */
const timeout = 5_000
const pause = 2_000

/**
 * Posts alarms to the service that the URL's host belongs to: Slack, Teams or PagerDuty. `told` is called with those of
 * each message as soon as it is taken.
 * @param deadline time, in milliseconds, after which nothing is begun
 * @returns why the webhook did not take which
 */
export async function postWebhook(
  address: string,
  alarms: Alarm[],
  deadline: number,
  told: (alarms: Alarm[]) => Promise<void>,
  send = fetch,
): Promise<Map<Alarm, WebhookFailed>> {
  const url = URL.parse(address.trim())
  const service = services.find(({ host }) => url && host.test(url.hostname))
  const failed = new Map<Alarm, WebhookFailed>()
  const fail = (message: Message, error: WebhookFailed) => {
    for (const alarm of message.of) failed.set(alarm, error)
  }
  if (!url || !service || url.protocol !== 'https:') {
    fail(
      { of: alarms, body: {} },
      new WebhookFailed('the webhook should be an https URL of Slack, Teams or PagerDuty'),
    )
    return failed
  }
  const messages = service.messages(alarms.toSorted(bySeverity), url)
  let down: Refused | undefined
  for (const message of messages) {
    const error = down ?? (await postOne(service.name, url, message.body, deadline, send))
    if (!error) await told(message.of)
    // One that it does not take must not keep the others from being told.
    else if (!error.down && message.of.length > 1)
      messages.push(...message.of.flatMap(alarm => service.messages([alarm], url)))
    else fail(message, error)
    // A service that answers nothing, or wants none for now, would take all the time there is.
    if (error?.down) down = error
  }
  return failed
}

const order = { critical: 0, error: 1, ok: 2 }
const bySeverity = (a: Alarm, b: Alarm) => order[a.severity] - order[b.severity]

type Refused = WebhookFailed & { down?: boolean }

/** @returns why it was not taken */
async function postOne(
  name: string,
  address: URL,
  body: object,
  deadline: number,
  send: typeof fetch,
): Promise<Refused | undefined> {
  const url = new URL(address)
  url.hash = ''
  for (;;) {
    const left = deadline - Date.now()
    if (left <= 0) return down(`${name}: no time is left`)
    // A redirect is refused as it would take the alarm elsewhere.
    const response = await send(url, {
      method: 'POST',
      body: JSON.stringify(body),
      redirect: 'manual',
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(Math.min(timeout, left)),
      // Not as its cause: what fetch throws may hold the URL.
    }).catch(error => down(`${name}: ${error?.cause?.code ?? error?.name ?? 'no answer'}`))
    if (response instanceof Error) return response
    await response.body?.cancel().catch(() => {})
    if (response.ok) return undefined
    const refused = `${name} answered ${response.status}`
    if (response.status !== 429) return response.status >= 500 ? down(refused) : new WebhookFailed(refused)
    const wait = retryAfter(response.headers.get('retry-after'))
    if (Date.now() + wait >= deadline) return down(refused)
    await sleep(wait)
  }
}

const down = (message: string): Refused => Object.assign(new WebhookFailed(message), { down: true })

/** Milliseconds, of what is either seconds or a time. */
function retryAfter(value: string | null): number {
  if (!value) return pause
  const wait = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(wait) ? pause : Math.max(wait, 200)
}
