import { shorten } from '../../../rotation/shorten.ts'
import { type Alarm, linesOf } from '../alarm.ts'
import { packAlarms, reasonOf, severityCounts, type WebhookService } from './service.ts'

/** Bytes of a message: 28 KB, with some room for what is around the alarms. */
const MAX_MESSAGE_BYTES = 24_000

/** Teams gets a card. */
export const teams: WebhookService = {
  name: 'Teams',
  // Connectors, and the two hosts of workflows.
  hostPattern: /\.(webhook\.office\.com|logic\.azure\.com|api\.powerplatform\.com)$/,
  messages: alarms =>
    packAlarms(alarms, sizeOf, MAX_MESSAGE_BYTES).map(of => ({
      alarms: of,
      body: of.length > 1 ? several(of) : single(of[0]),
    })),
}

const COLOR_BY_SEVERITY: Record<Alarm['severity'], string> = {
  critical: 'attention',
  error: 'warning',
  ok: 'good',
}

function single(alarm: Alarm | undefined): object {
  if (!alarm) return {}
  const facts = linesOf(alarm).map(([title, value]) => ({
    title: escapeText(title),
    value: escapeText(shorten(value, 3_000)),
  }))
  const actions = alarm.console ? [{ type: 'Action.OpenUrl', title: 'Execution', url: alarm.console }] : []
  return card(
    [titleOf(alarm), { ...plain(escapeText(alarm.headline)) }, { type: 'FactSet', facts: fitFacts(facts) }],
    actions,
  )
}

const several = (alarms: Alarm[]) =>
  card([{ ...plain(severityCounts(alarms)), weight: 'bolder' }, ...alarms.flatMap(entryOf)], [])

const plain = (text: string) => ({ type: 'TextBlock', text, wrap: true })
const titleOf = (alarm: Alarm) => ({
  ...plain(escapeText(shorten(alarm.title, 1_000))),
  weight: 'bolder',
  color: COLOR_BY_SEVERITY[alarm.severity],
})

const entryOf = (alarm: Alarm) => [
  titleOf(alarm),
  plain(`${escapeText(shorten(reasonOf(alarm), 200))} ${escapeText(alarm.runbook)}`),
]
const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value))
const sizeOf = (alarm: Alarm) => bytes(entryOf(alarm))

/** As many facts as fit; the last, which says where it is explained, always. */
function fitFacts<Fact>(facts: Fact[]): Fact[] {
  let room = MAX_MESSAGE_BYTES - bytes(facts.at(-1))
  const fit = facts.slice(0, -1).filter(fact => {
    room -= bytes(fact)
    return room > 0
  })
  return [...fit, ...facts.slice(-1)]
}

const card = (body: object[], actions: object[]) => ({
  type: 'message',
  attachments: [
    {
      contentType: 'application/vnd.microsoft.card.adaptive',
      content: {
        $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
        type: 'AdaptiveCard',
        version: '1.4',
        body,
        actions,
      },
    },
  ],
})

/** What Markdown would take for emphasis, a link or a list stays as it is written. */
const escapeText = (text: string) =>
  text
    .replaceAll(/[\\`*_[\]<>~]/g, '\\$&')
    .replace(/^(?=[-+#])|^(\d+)(?=[.)])/, (_, number) => `${number ?? ''}\\`)
