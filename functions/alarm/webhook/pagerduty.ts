import { hash } from 'node:crypto'
import { boundedKey } from '../../../fleet/digest.ts'
import { type Alarm, incidentOf, linesOf } from '../alarm.ts'
import { keepEnd } from '../format.ts'
import { severityCounts, type WebhookMessage, type WebhookService } from './service.ts'

/** Characters of a summary and of a key; and how many errors of one batch are an incident each. */
const LIMITS = { summaryLength: 1_024, keyLength: 255, errorCount: 10 }

/** PagerDuty gets an event for each incident; its routing key is the URL's fragment. */
export const pagerDuty: WebhookService = {
  name: 'PagerDuty',
  hostPattern: /^events\.(eu\.)?pagerduty\.com$/,
  messages(alarms, url) {
    const routing_key = decodeURIComponent(url.hash.slice(1))
    const errors = alarms.filter(({ severity }) => severity === 'error')
    const together = errors.length > LIMITS.errorCount ? [triggerTogether(errors)] : errors.map(trigger)
    const critical = alarms.filter(({ severity }) => severity === 'critical')
    const well = alarms.filter(({ severity }) => severity === 'ok')
    return [...critical.map(trigger), ...together, ...well.flatMap(resolve)].map(({ body, alarms: of }) => ({
      alarms: of,
      body: { routing_key, ...body },
    }))
  },
}

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

/** Each severity is an incident of its own. */
const resolve = (alarm: Alarm): WebhookMessage[] =>
  (alarm.recoveredSeverities ?? []).map(severity => ({
    body: {
      event_action: 'resolve',
      dedup_key: boundedKey(incidentOf(alarm.incident, severity), LIMITS.keyLength),
    },
    alarms: [alarm],
  }))

/** So many at once are one matter, and would take longer than anybody waits. Each is named. */
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

function summaryOf({ title }: Alarm): string {
  const [, start = '', rest = ''] = /^(.*?: )(.*)$/.exec(title) ?? [title, '', title]
  return title.length > LIMITS.summaryLength
    ? `${start}${keepEnd(rest, LIMITS.summaryLength - start.length)}`
    : title
}
