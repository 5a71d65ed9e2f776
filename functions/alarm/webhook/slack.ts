import { shorten } from '../../../rotation/shorten.ts'
import { type Alarm, linesOf } from '../alarm.ts'
import { packAlarms, reasonOf, severityCounts, type WebhookService } from './service.ts'

/**
 * The most characters of a block, blocks of a message and characters of a message. Slack allows 3,000 characters a block
 * (https://docs.slack.dev/reference/block-kit/blocks/section-block/) and 50 blocks. It documents 40,000 characters a message, and
 * was seen to refuse blocks of more than about 13,200 in all (https://github.com/slackapi/bolt-js/issues/2509). The rest is for
 * the markup around the text.
 */
const LIMITS = { blockLength: 2_900, blockCount: 48, messageLength: 12_000 }

/** Slack's incoming webhooks, which accept text in blocks. */
export const slack: WebhookService = {
  name: 'Slack',
  hostPattern: /^hooks\.slack(-gov)?\.com$/,
  messages: alarms =>
    packAlarms(alarms, sizeOf, LIMITS.messageLength).map(pack => ({
      alarms: pack,
      body: pack.length > 1 ? messageOfSeveral(pack) : messageOfOne(pack[0]),
    })),
}

function messageOfOne(alarm: Alarm | undefined): object {
  if (!alarm) return {}
  const lines = [
    ...linesOf(alarm).map(
      ([label, value]) => `*${escapeText(label)}:* ${escapeText(shorten(value, 2_400), 2_700)}`,
    ),
    ...(alarm.console ? [`*Console:* ${escapeText(alarm.console)}`] : []),
  ]
  return message(alarm.subject, [headOf(alarm), ...lines])
}

const messageOfSeveral = (alarms: Alarm[]) =>
  message(severityCounts(alarms), [`*${severityCounts(alarms)}*`, ...alarms.map(entryOf)])

const headOf = (alarm: Alarm) => `*${escapeText(shorten(alarm.title, 1_000))}*\n${escapeText(alarm.headline)}`

/** What a message about several alarms says of one of them. */
function entryOf(alarm: Alarm): string {
  const reason = escapeText(shorten(reasonOf(alarm), 200))
  const link = alarm.console ? `\n${escapeText(alarm.console)}` : ''
  return `*${escapeText(shorten(alarm.title, 800))}*\n${reason}\n${escapeText(alarm.runbook)}${link}`
}

const sizeOf = (alarm: Alarm) => entryOf(alarm).length + 2

/** A message with the lines in as few blocks as possible. No line is split, as each is shorter than a block. */
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

/**
 * Escapes the three characters that Slack's mrkdwn reads as markup, so that no text becomes a link or mentions a channel:
 * https://docs.slack.dev/messaging/formatting-message-text/#escaping
 */
function escapeText(text: string, most = LIMITS.blockLength): string {
  const safe = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  // An entity such as &amp; that the limit cuts in two is removed, since Slack would show its first part.
  return safe.length > most ? `${safe.slice(0, most - 3).replace(/&[a-z]*$/, '')}...` : safe
}
