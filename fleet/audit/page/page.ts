import { createHash } from 'node:crypto'
import type { Report } from '../report.ts'
import { script } from './behave.ts'
import { billSection } from './bill.ts'
import { breakdown } from './breakdown.ts'
import { ageCharts } from './charts/age.ts'
import { dayCharts, dayTable } from './charts/days.ts'
import { credentialsSection } from './credentials.ts'
import { findingsSection } from './findings.ts'
import { html, Markup } from './markup.ts'
import { rulesSection } from './rules.ts'
import { style } from './style/style.ts'
import { summary } from './summary.ts'
import { dayOf, minuteOf } from './words.ts'

/** Runs before anything is laid out, so that of a long list no more than its first rows ever are. */
const early = "document.documentElement.classList.add('js')"
const late = `{${script}}`

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='5' cy='8' r='3.5' fill='none' stroke='%23376a8c' stroke-width='2'/%3E%3Cpath d='M8 8h7M12 8v3' stroke='%23376a8c' stroke-width='2'/%3E%3C/svg%3E"

/**
 * The report as one HTML file that opens anywhere and asks nothing of any network. All of it is there without a script;
 * with it, lists can be searched, filtered and sorted, and show their first 200 matches.
 */
export async function page(report: Report): Promise<string> {
  const title = `Keyturn audit ${report.stage} ${dayOf(report.moment)}`
  const ages = await ageCharts(report.credentials)
  const days = await dayCharts(report.days)
  const { text } = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer"><title>${title}</title><link rel="icon" href="${icon}"><style>${raw(style)}</style><script>${raw(early)}</script></head>
<body><a class="skip" href="#findings">To the findings</a><div class="page">${summary(report)}
<nav aria-label="Sections"><a href="#rules">What was found</a>${report.findings.length > 0 && html`<a href="#findings">Findings</a>`}<a href="#time">Ages and rotations</a>${report.cost && html`<a href="#cost">Cost</a>`}<a href="#credentials">Credentials</a></nav>
<main>${rulesSection(report)}${findingsSection(report)}
<section id="time" aria-labelledby="time-head"><h2 id="time-head">Ages and rotations</h2><div class="figures">${ages}${days}</div>${dayTable(report.days)}${breakdown(report)}</section>
${billSection(report.cost)}${credentialsSection(report)}</main>
${footer(report)}</div><p class="unseen" role="status" id="said"></p><script>${raw(late)}</script></body></html>
`
  return text
}

const raw = (text: string) => new Markup(text)

const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

const policy = [
  "default-src 'none'",
  `style-src ${hash(style)}`,
  `script-src ${hash(early)} ${hash(late)}`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ')

const footer = ({ readsKnownSince, regions, format }: Report) =>
  html`<footer><p>${regions
    .map(region => {
      const since = readsKnownSince[region]
      return since
        ? `Reads in ${region} are known since ${minuteOf(since)}.`
        : `Reads in ${region} are not known.`
    })
    .join(
      ' ',
    )}</p><p>This file names accounts, servers and credentials, and says what is wrong with them. It holds no value of any. Format ${format}.</p></footer>`
