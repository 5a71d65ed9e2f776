import { setTimeout as sleep } from 'node:timers/promises'
import type { Alarm } from '../alarm.ts'
import { pagerDuty } from './pagerduty.ts'
import type { WebhookMessage, WebhookService } from './service.ts'
import { slack } from './slack.ts'
import { teams } from './teams.ts'

/** Thrown if the webhook did not accept an alarm. The message names the service and the reason, but not the URL, which is secret. */
export class WebhookFailed extends Error {
  override readonly name = 'WebhookFailed'
}

/** Every service that a webhook may belong to. */
export const services: WebhookService[] = [slack, teams, pagerDuty]

/** How long one request may take. */
const REQUEST_TIMEOUT_MS = 5_000
/** The pause after a throttled request whose response does not say how long to wait. */
const RETRY_PAUSE_MS = 2_000

/**
 * Posts alarms to the service that the host of the URL belongs to: Slack, Teams or PagerDuty.
 * @param address the URL of the webhook
 * @param deadline the time, in milliseconds since 1970, after which no request begins
 * @param told is called with the alarms of each message that the service has accepted
 * @param send sends a request, for tests
 * @returns the error of each alarm that the service did not accept
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
    // The alarms of a refused message are posted one by one: one that the service refuses must not hold back the others.
    else if (!error.isServiceDown && message.alarms.length > 1)
      messages.push(...message.alarms.flatMap(alarm => service.messages([alarm], url)))
    else fail(message, error)
    // If the service is down or throttles, no further message is posted, as the attempts would use up the time.
    if (error?.isServiceDown) down = error
  }
  return failed
}

const SEVERITY_ORDER = { critical: 0, error: 1, ok: 2 }
const bySeverity = (a: Alarm, b: Alarm) => SEVERITY_ORDER[a.severity] - SEVERITY_ORDER[b.severity]

/** Why a message was not accepted. `isServiceDown`: the service does not answer, fails or throttles, so others would fail too. */
type PostFailure = WebhookFailed & { isServiceDown?: boolean }

/** Posts one message. @returns why it was not accepted; undefined if it was */
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
    // A redirect is not followed: it could send the alarm to another host.
    const response = await send(url, {
      method: 'POST',
      body: JSON.stringify(body),
      redirect: 'manual',
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(Math.min(REQUEST_TIMEOUT_MS, left)),
      // The error of fetch is not kept as a cause, because it may contain the URL.
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

/** The pause in milliseconds that a Retry-After header asks for, either as seconds or as a time. */
function retryPauseOf(value: string | null): number {
  if (!value) return RETRY_PAUSE_MS
  const wait = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(wait) ? RETRY_PAUSE_MS : Math.max(wait, 200)
}
