import { shorten } from '../../../rotation/shorten.ts'
import { type Alarm, linesOf } from '../alarm.ts'
import { packAlarms, reasonOf, severityCounts, type WebhookService } from './service.ts'

/** Characters of one block, blocks of a message, and characters of a message, with some room. */
const LIMITS = { blockLength: 2_900, blockCount: 48, messageLength: 36_000 }

/** Slack gets text in blocks. */
export const slack: WebhookService = {
  name: 'Slack',
  hostPattern: /^hooks\.slack(-gov)?\.com$/,
  messages: alarms =>
    packAlarms(alarms, sizeOf, LIMITS.messageLength).map(of => ({
      alarms: of,
      body: of.length > 1 ? several(of) : single(of[0]),
    })),
}

function single(alarm: Alarm | undefined): object {
  if (!alarm) return {}
  const lines = [
    ...linesOf(alarm).map(
      ([label, value]) => `*${escapeText(label)}:* ${escapeText(shorten(value, 2_400), 2_700)}`,
    ),
    ...(alarm.console ? [`*Console:* ${escapeText(alarm.console)}`] : []),
  ]
  return message(alarm.subject, [headOf(alarm), ...lines])
}

const several = (alarms: Alarm[]) =>
  message(severityCounts(alarms), [`*${severityCounts(alarms)}*`, ...alarms.map(entryOf)])

const headOf = (alarm: Alarm) => `*${escapeText(shorten(alarm.title, 1_000))}*\n${escapeText(alarm.headline)}`

/** A critical one says more, as it is read first. */
function entryOf(alarm: Alarm): string {
  const reason = escapeText(shorten(reasonOf(alarm), 200))
  const link = alarm.console ? `\n${escapeText(alarm.console)}` : ''
  return `*${escapeText(shorten(alarm.title, 800))}*\n${reason}\n${escapeText(alarm.runbook)}${link}`
}

const sizeOf = (alarm: Alarm) => entryOf(alarm).length + 2

/** Lines never part in the middle, as each is shorter than a block. */
function message(text: string, lines: string[]): object {
  const texts: string[] = []
  for (const line of lines) {
    const last = texts.at(-1)
    if (last !== undefined && last.length + line.length + 1 <= LIMITS.blockLength)
      texts[texts.length - 1] = `${last}\n${line}`
    else texts.push(line)
  }
  const blocks = texts
    .slice(0, LIMITS.blockCount)
    .map(text => ({ type: 'section', text: { type: 'mrkdwn', text } }))
  return { text: escapeText(text), blocks }
}

/** As Slack asks for it, so that nothing becomes a link or calls a channel. */
function escapeText(text: string, most = LIMITS.blockLength): string {
  const safe = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  // A character that is cut in two would show as it is.
  return safe.length > most ? `${safe.slice(0, most - 3).replace(/&[a-z]*$/, '')}...` : safe
}
