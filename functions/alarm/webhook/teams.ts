import { shorten } from '../../../rotation/shorten.ts'
import { type Alarm, linesOf } from '../alarm.ts'
import { packAlarms, reasonOf, severityCounts, type WebhookService } from './service.ts'

/**
 * The most bytes of the alarms in a message. Teams accepts messages of 28 KB; the rest is for the card around the alarms:
 * https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
 */
const MAX_MESSAGE_BYTES = 24_000

/** Microsoft Teams, whose webhooks accept an Adaptive Card. */
export const teams: WebhookService = {
  name: 'Teams',
  // The host of Office 365 connectors, and the two hosts of Power Automate's workflows.
  hostPattern: /\.(webhook\.office\.com|logic\.azure\.com|api\.powerplatform\.com)$/,
  messages: alarms =>
    packAlarms(alarms, sizeOf, MAX_MESSAGE_BYTES).map(pack => ({
      alarms: pack,
      body: pack.length > 1 ? cardOfSeveral(pack) : cardOfOne(pack[0]),
    })),
}

const COLOR_BY_SEVERITY: Record<Alarm['severity'], string> = {
  critical: 'attention',
  error: 'warning',
  ok: 'good',
}

function cardOfOne(alarm: Alarm | undefined): object {
  if (!alarm) return {}
  const facts = linesOf(alarm).map(([title, value]) => ({
    title: escapeText(title),
    value: escapeText(shorten(value, 3_000)),
  }))
  const actions = alarm.console ? [{ type: 'Action.OpenUrl', title: 'Execution', url: alarm.console }] : []
  return card(
    [titleOf(alarm), textBlock(escapeText(alarm.headline)), { type: 'FactSet', facts: fitFacts(facts) }],
    actions,
  )
}

const cardOfSeveral = (alarms: Alarm[]) =>
  card([{ ...textBlock(severityCounts(alarms)), weight: 'bolder' }, ...alarms.flatMap(entryOf)], [])

const textBlock = (text: string) => ({ type: 'TextBlock', text, wrap: true })
const titleOf = (alarm: Alarm) => ({
  ...textBlock(escapeText(shorten(alarm.title, 1_000))),
  weight: 'bolder',
  color: COLOR_BY_SEVERITY[alarm.severity],
})

/** What a card about several alarms says of one of them. */
const entryOf = (alarm: Alarm) => [
  titleOf(alarm),
  textBlock(`${escapeText(shorten(reasonOf(alarm), 200))} ${escapeText(alarm.runbook)}`),
]
const byteLengthOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value))
const sizeOf = (alarm: Alarm) => byteLengthOf(entryOf(alarm))

/** As many facts as fit into a message, and always the last one, the link to the runbook. */
function fitFacts<Fact>(facts: Fact[]): Fact[] {
  let room = MAX_MESSAGE_BYTES - byteLengthOf(facts.at(-1))
  const fit = facts.slice(0, -1).filter(fact => {
    room -= byteLengthOf(fact)
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

/** Escapes the characters that Markdown reads as emphasis, a link or a list. */
const escapeText = (text: string) =>
  text
    .replaceAll(/[\\`*_[\]<>~]/g, '\\$&')
    .replace(/^(?=[-+#])|^(\d+)(?=[.)])/, (_, number) => `${number ?? ''}\\`)
