import type { Alarm } from '../alarm.ts'

/** One request, and the alarms that whoever reads it hears of. */
export type WebhookMessage = { body: object; alarms: Alarm[] }

/** A service that takes alarms by a POST of JSON. */
export type WebhookService = {
  name: string
  /** The hosts of its URLs. */
  hostPattern: RegExp
  /** As few messages as its limits allow, the critical first. Every alarm is in one of them. */
  messages(alarms: Alarm[], url: URL): WebhookMessage[]
}

/** Packs alarms in their order, as many together as `most` allows of what `size` says. */
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

/** What a message of several begins with. */
export function severityCounts(alarms: Alarm[]): string {
  const count = (severity: Alarm['severity'], word: string) => {
    const { length } = alarms.filter(alarm => alarm.severity === severity)
    return length ? [`${length} ${word}`] : []
  }
  return [...count('critical', 'critical'), ...count('error', 'failed'), ...count('ok', 'well again')].join(
    ', ',
  )
}

/** What one line of a message of several says, behind the title. */
export const reasonOf = ({ facts, headline }: Alarm) =>
  facts.find(([label]) => label === 'Cause')?.[1] ?? headline
