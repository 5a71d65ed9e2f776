import type { Alarm } from '../alarm.ts'

/** The JSON body of one request, and the alarms that it tells of. */
export type WebhookMessage = { body: object; alarms: Alarm[] }

/**
 * A service that accepts alarms as JSON in a POST request to the webhook's URL without its fragment. If a new service needs a
 * header or a second path, add that to WebhookMessage, and have `postWebhook` and `postOne` in webhook.ts send it.
 */
export type WebhookService = {
  name: string
  /** Matches the hosts of the service's webhook URLs. */
  hostPattern: RegExp
  /**
   * Makes as few messages as the service's limits allow, with the alarms in their order: postWebhook has put critical ones first.
   * Each alarm is in one of them at least.
   */
  messages(alarms: Alarm[], url: URL): WebhookMessage[]
}

/**
 * Splits alarms into lists, in their order. The sizes of a list's alarms add up to `most` at most, unless the list has only one.
 */
export function packAlarms(alarms: Alarm[], size: (alarm: Alarm) => number, most: number): Alarm[][] {
  const packs: Alarm[][] = []
  let room = 0
  for (const alarm of alarms) {
    const needed = size(alarm)
    if (needed > room || !packs.length) {
      packs.push([])
      room = most
    }
    room -= needed
    packs.at(-1)?.push(alarm)
  }
  return packs
}

/** How many alarms there are of each severity: the first line of a message about several alarms. */
export function severityCounts(alarms: Alarm[]): string {
  const count = (severity: Alarm['severity'], word: string) => {
    const { length } = alarms.filter(alarm => alarm.severity === severity)
    return length ? [`${length} ${word}`] : []
  }
  return [...count('critical', 'critical'), ...count('error', 'failed'), ...count('ok', 'well again')].join(
    ', ',
  )
}

/** The reason of an alarm in a message about several alarms: the error's message, or else the headline. */
export const reasonOf = ({ facts, headline }: Alarm) =>
  facts.find(([label]) => label === 'Cause')?.[1] ?? headline
