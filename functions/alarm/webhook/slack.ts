import { short } from '../../../rotation/short.ts'
import { type Alarm, linesOf } from '../alarm.ts'
import { packed, reasonOf, type Service, summary } from './service.ts'

/** Characters of one block, blocks of a message, and characters of a message, with some room. */
const LIMIT = { block: 2_900, blocks: 48, message: 36_000 }

/** Slack gets text in blocks. */
export const slack: Service = {
  name: 'Slack',
  host: /^hooks\.slack(-gov)?\.com$/,
  messages: alarms =>
    packed(alarms, sizeOf, LIMIT.message).map(of => ({
      of,
      body: of.length > 1 ? several(of) : single(of[0]),
    })),
}

function single(alarm: Alarm | undefined): object {
  if (!alarm) return {}
  const lines = [
    ...linesOf(alarm).map(([label, value]) => `*${escaped(label)}:* ${escaped(short(value, 2_400), 2_700)}`),
    ...(alarm.console ? [`*Console:* ${escaped(alarm.console)}`] : []),
  ]
  return message(alarm.subject, [headOf(alarm), ...lines])
}

const several = (alarms: Alarm[]) =>
  message(summary(alarms), [`*${summary(alarms)}*`, ...alarms.map(entryOf)])

const headOf = (alarm: Alarm) => `*${escaped(short(alarm.title, 1_000))}*\n${escaped(alarm.headline)}`

/** A critical one says more, as it is read first. */
function entryOf(alarm: Alarm): string {
  const reason = escaped(short(reasonOf(alarm), 200))
  const link = alarm.console ? `\n${escaped(alarm.console)}` : ''
  return `*${escaped(short(alarm.title, 800))}*\n${reason}\n${escaped(alarm.runbook)}${link}`
}

const sizeOf = (alarm: Alarm) => entryOf(alarm).length + 2

/** Lines never part in the middle, as each is shorter than a block. */
function message(text: string, lines: string[]): object {
  const texts: string[] = []
  for (const line of lines) {
    const last = texts.at(-1)
    if (last !== undefined && last.length + line.length + 1 <= LIMIT.block)
      texts[texts.length - 1] = `${last}\n${line}`
    else texts.push(line)
  }
  const blocks = texts
    .slice(0, LIMIT.blocks)
    .map(text => ({ type: 'section', text: { type: 'mrkdwn', text } }))
  return { text: escaped(text), blocks }
}

/** As Slack asks for it, so that nothing becomes a link or calls a channel. */
function escaped(text: string, most = LIMIT.block): string {
  const safe = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  // A character that is cut in two would show as it is.
  return safe.length > most ? `${safe.slice(0, most - 3).replace(/&[a-z]*$/, '')}...` : safe
}
