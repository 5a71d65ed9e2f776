import { setTimeout as sleep } from 'node:timers/promises'
import type { Alarm } from '../alarm.ts'
import { pagerDuty } from './pagerduty.ts'
import type { WebhookMessage, WebhookService } from './service.ts'
import { slack } from './slack.ts'
import { teams } from './teams.ts'

/** The webhook did not take the alarm. Says which service and why, and never the URL, which is a secret. */
export class WebhookFailed extends Error {
  override readonly name = 'WebhookFailed'
}

/** Every service that a webhook may belong to. */
export const services: WebhookService[] = [slack, teams, pagerDuty]

/** Milliseconds: of one request; and of a pause where the service says that it is too much, but not until when. */
const REQUEST_TIMEOUT_MS = 5_000
const RETRY_PAUSE_MS = 2_000

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
  const service = services.find(({ hostPattern }) => url && hostPattern.test(url.hostname))
  const failed = new Map<Alarm, WebhookFailed>()
  const fail = (message: WebhookMessage, error: WebhookFailed) => {
    for (const alarm of message.alarms) failed.set(alarm, error)
  }
  if (!url || !service || url.protocol !== 'https:') {
    fail(
      { alarms, body: {} },
      new WebhookFailed('the webhook should be an https URL of Slack, Teams or PagerDuty'),
    )
    return failed
  }
  const messages = service.messages(alarms.toSorted(bySeverity), url)
  let down: PostFailure | undefined
  for (const message of messages) {
    const error = down ?? (await postOne(service.name, url, message.body, deadline, send))
    if (!error) await told(message.alarms)
    // One that it does not take must not keep the others from being told.
    else if (!error.isServiceDown && message.alarms.length > 1)
      messages.push(...message.alarms.flatMap(alarm => service.messages([alarm], url)))
    else fail(message, error)
    // A service that answers nothing, or wants none for now, would take all the time there is.
    if (error?.isServiceDown) down = error
  }
  return failed
}

const SEVERITY_ORDER = { critical: 0, error: 1, ok: 2 }
const bySeverity = (a: Alarm, b: Alarm) => SEVERITY_ORDER[a.severity] - SEVERITY_ORDER[b.severity]

type PostFailure = WebhookFailed & { isServiceDown?: boolean }

/** @returns why it was not taken */
async function postOne(
  name: string,
  address: URL,
  body: object,
  deadline: number,
  send: typeof fetch,
): Promise<PostFailure | undefined> {
  const url = new URL(address)
  url.hash = ''
  for (;;) {
    const left = deadline - Date.now()
    if (left <= 0) return serviceDownError(`${name}: no time is left`)
    // A redirect is refused as it would take the alarm elsewhere.
    const response = await send(url, {
      method: 'POST',
      body: JSON.stringify(body),
      redirect: 'manual',
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(Math.min(REQUEST_TIMEOUT_MS, left)),
      // Not as its cause: what fetch throws may hold the URL.
    }).catch(error => serviceDownError(`${name}: ${error?.cause?.code ?? error?.name ?? 'no answer'}`))
    if (response instanceof Error) return response
    await response.body?.cancel().catch(() => {})
    if (response.ok) return undefined
    const refused = `${name} answered ${response.status}`
    if (response.status !== 429)
      return response.status >= 500 ? serviceDownError(refused) : new WebhookFailed(refused)
    const wait = retryPauseOf(response.headers.get('retry-after'))
    if (Date.now() + wait >= deadline) return serviceDownError(refused)
    await sleep(wait)
  }
}

const serviceDownError = (message: string): PostFailure =>
  Object.assign(new WebhookFailed(message), { isServiceDown: true })

/** Milliseconds, of what is either seconds or a time. */
function retryPauseOf(value: string | null): number {
  if (!value) return RETRY_PAUSE_MS
  const wait = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(wait) ? RETRY_PAUSE_MS : Math.max(wait, 200)
}
