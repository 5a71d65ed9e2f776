import { hash } from 'node:crypto'
import { keyOf } from '../../../fleet/digest.ts'
import { type Alarm, incidentOf, linesOf } from '../alarm.ts'
import { endOf } from '../words.ts'
import { type Message, type Service, summary } from './service.ts'

/** Characters of a summary and of a key; and how many errors of one batch are an incident each. */
const LIMIT = { summary: 1_024, key: 255, errors: 10 }

/** PagerDuty gets an event for each incident; its routing key is the URL's fragment. */
export const pagerDuty: Service = {
  name: 'PagerDuty',
  host: /^events\.(eu\.)?pagerduty\.com$/,
  messages(alarms, url) {
    const routing_key = decodeURIComponent(url.hash.slice(1))
    const errors = alarms.filter(({ severity }) => severity === 'error')
    const together = errors.length > LIMIT.errors ? [several(errors)] : errors.map(trigger)
    const critical = alarms.filter(({ severity }) => severity === 'critical')
    const well = alarms.filter(({ severity }) => severity === 'ok')
    return [...critical.map(trigger), ...together, ...well.flatMap(resolve)].map(({ body, of }) => ({
      of,
      body: { routing_key, ...body },
    }))
  },
}

function trigger(alarm: Alarm): Message {
  const body = {
    event_action: 'trigger',
    dedup_key: keyOf(alarm.incident, LIMIT.key),
    payload: {
      summary: summaryOf(alarm),
      source: 'keyturn',
      severity: alarm.severity,
      timestamp: new Date(alarm.at).toISOString(),
      custom_details: { ...Object.fromEntries(linesOf(alarm)), 'What happened': alarm.headline },
    },
    links: alarm.console ? [{ href: alarm.console, text: 'Execution' }] : [],
  }
  return { body, of: [alarm] }
}

/** Each severity is an incident of its own. */
const resolve = (alarm: Alarm): Message[] =>
  (alarm.severities ?? []).map(severity => ({
    body: { event_action: 'resolve', dedup_key: keyOf(incidentOf(alarm.incident, severity), LIMIT.key) },
    of: [alarm],
  }))

/** So many at once are one matter, and would take longer than anybody waits. Each is named. */
function several(alarms: Alarm[]): Message {
  const titles = alarms.map(({ title, runbook }) => `${title} (${runbook})`)
  const body = {
    event_action: 'trigger',
    dedup_key: `keyturn several ${hash('sha256', alarms.map(({ key }) => key).join('\n'))}`,
    payload: {
      summary: `${summary(alarms)}, such as: ${alarms[0]?.subject}`,
      source: 'keyturn',
      severity: 'error',
      timestamp: new Date(Math.max(...alarms.map(({ at }) => at))).toISOString(),
      custom_details: { 'What happened': titles },
    },
    links: [],
  }
  return { body, of: alarms }
}

function summaryOf({ title }: Alarm): string {
  const [, start = '', rest = ''] = /^(.*?: )(.*)$/.exec(title) ?? [title, '', title]
  return title.length > LIMIT.summary ? `${start}${endOf(rest, LIMIT.summary - start.length)}` : title
}
