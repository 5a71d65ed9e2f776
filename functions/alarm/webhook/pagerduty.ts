import { hash } from 'node:crypto'
import { boundedKey } from '../../../fleet/digest.ts'
import { type Alarm, incidentOf, linesOf } from '../alarm.ts'
import { keepEnd } from '../format.ts'
import { severityCounts, type WebhookMessage, type WebhookService } from './service.ts'

/**
 * The most characters of a summary and of a `dedup_key`, by
 * https://developer.pagerduty.com/docs/events-api-v2/trigger-events/; and how many errors of one batch are still an incident each.
 */
const LIMITS = { summaryLength: 1_024, keyLength: 255, errorCount: 10 }

/**
 * PagerDuty's Events API v2. Each alarm triggers an incident, and a recovery resolves it. The routing key is the fragment of the
 * webhook's URL.
 */
export const pagerDuty: WebhookService = {
  name: 'PagerDuty',
  hostPattern: /^events\.(eu\.)?pagerduty\.com$/,
  messages(alarms, url) {
    const routing_key = decodeURIComponent(url.hash.slice(1))
    const errors = alarms.filter(({ severity }) => severity === 'error')
    const errorMessages = errors.length > LIMITS.errorCount ? [triggerTogether(errors)] : errors.map(trigger)
    const critical = alarms.filter(({ severity }) => severity === 'critical')
    const recoveries = alarms.filter(({ severity }) => severity === 'ok')
    const messages = [...critical.map(trigger), ...errorMessages, ...recoveries.flatMap(resolve)]
    return messages.map(({ body, alarms }) => ({ alarms, body: { routing_key, ...body } }))
  },
}

/** The message that triggers the incident of an alarm. */
function trigger(alarm: Alarm): WebhookMessage {
  const body = {
    event_action: 'trigger',
    dedup_key: boundedKey(alarm.incident, LIMITS.keyLength),
    payload: {
      summary: summaryOf(alarm),
      source: 'keyturn',
      severity: alarm.severity,
      timestamp: new Date(alarm.happenedAt).toISOString(),
      custom_details: { ...Object.fromEntries(linesOf(alarm)), 'What happened': alarm.headline },
    },
    links: alarm.console ? [{ href: alarm.console, text: 'Execution' }] : [],
  }
  return { body, alarms: [alarm] }
}

/** The messages by which a recovery resolves the incidents of its credential: one for each severity. */
const resolve = (alarm: Alarm): WebhookMessage[] =>
  (alarm.recoveredSeverities ?? []).map(severity => ({
    body: {
      event_action: 'resolve',
      dedup_key: boundedKey(incidentOf(alarm.incident, severity), LIMITS.keyLength),
    },
    alarms: [alarm],
  }))

/**
 * The message that triggers one incident for many errors, and names all of them. They mostly have one reason, and a request for
 * each would take too long. No recovery resolves this incident.
 */
function triggerTogether(alarms: Alarm[]): WebhookMessage {
  const titles = alarms.map(({ title, runbook }) => `${title} (${runbook})`)
  const body = {
    event_action: 'trigger',
    dedup_key: `keyturn several ${hash('sha256', alarms.map(({ key }) => key).join('\n'))}`,
    payload: {
      summary: `${severityCounts(alarms)}, such as: ${alarms[0]?.subject}`,
      source: 'keyturn',
      severity: 'error',
      timestamp: new Date(Math.max(...alarms.map(({ happenedAt }) => happenedAt))).toISOString(),
      custom_details: { 'What happened': titles },
    },
    links: [],
  }
  return { body, alarms }
}

/** The title in as many characters as a summary may have. A long title loses the beginning of what follows the severity. */
function summaryOf({ title }: Alarm): string {
  const [, start = '', rest = ''] = /^(.*?: )(.*)$/.exec(title) ?? [title, '', title]
  return title.length > LIMITS.summaryLength
    ? `${start}${keepEnd(rest, LIMITS.summaryLength - start.length)}`
    : title
}
