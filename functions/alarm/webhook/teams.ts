import { short } from '../../../rotation/short.ts'
import { type Alarm, linesOf } from '../alarm.ts'
import { packed, reasonOf, type Service, summary } from './service.ts'

/** Bytes of a message: 28 KB, with some room for what is around the alarms. */
const LIMIT = 24_000

/** Teams gets a card. */
export const teams: Service = {
  name: 'Teams',
  // Connectors, and the two hosts of workflows.
  host: /\.(webhook\.office\.com|logic\.azure\.com|api\.powerplatform\.com)$/,
  messages: alarms =>
    packed(alarms, sizeOf, LIMIT).map(of => ({ of, body: of.length > 1 ? several(of) : single(of[0]) })),
}

const colors: Record<Alarm['severity'], string> = { critical: 'attention', error: 'warning', ok: 'good' }

function single(alarm: Alarm | undefined): object {
  if (!alarm) return {}
  const facts = linesOf(alarm).map(([title, value]) => ({
    title: escaped(title),
    value: escaped(short(value, 3_000)),
  }))
  const actions = alarm.console ? [{ type: 'Action.OpenUrl', title: 'Execution', url: alarm.console }] : []
  return card(
    [titleOf(alarm), { ...plain(escaped(alarm.headline)) }, { type: 'FactSet', facts: fitting(facts) }],
    actions,
  )
}

const several = (alarms: Alarm[]) =>
  card([{ ...plain(summary(alarms)), weight: 'bolder' }, ...alarms.flatMap(entryOf)], [])

const plain = (text: string) => ({ type: 'TextBlock', text, wrap: true })
const titleOf = (alarm: Alarm) => ({
  ...plain(escaped(short(alarm.title, 1_000))),
  weight: 'bolder',
  color: colors[alarm.severity],
})

const entryOf = (alarm: Alarm) => [
  titleOf(alarm),
  plain(`${escaped(short(reasonOf(alarm), 200))} ${escaped(alarm.runbook)}`),
]
const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value))
const sizeOf = (alarm: Alarm) => bytes(entryOf(alarm))

/** As many facts as fit; the last, which says where it is explained, always. */
function fitting<Fact>(facts: Fact[]): Fact[] {
  let room = LIMIT - bytes(facts.at(-1))
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
const escaped = (text: string) =>
  text
    .replaceAll(/[\\`*_[\]<>~]/g, '\\$&')
    .replace(/^(?=[-+#])|^(\d+)(?=[.)])/, (_, number) => `${number ?? ''}\\`)
