import { createHash } from 'node:crypto'
import { minuteOf } from '../../minute.ts'
import type { AuditReport } from '../report.ts'
import { billSection } from './bill.ts'
import { breakdownTables } from './breakdown.ts'
import { pageScript } from './browserScript.ts'
import { ageCharts } from './charts/age.ts'
import { dayCharts, dayTable } from './charts/days.ts'
import { credentialsSection } from './credentials.ts'
import { findingsSection } from './findings.ts'
import { dayOf } from './format.ts'
import { html, Markup } from './markup.ts'
import { rulesSection } from './rules.ts'
import { STYLE_SHEET } from './style/style.ts'
import { summarySection } from './summary.ts'

/** Runs before the page is laid out: it hides the lists until the main script has reduced them to their first rows. */
const EARLY_SCRIPT = "document.documentElement.classList.add('js')"
/** The main script, which runs at the end of the page. */
const lateScript = `{${pageScript}}`

/** The page's icon, a key. */
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='5' cy='8' r='3.5' fill='none' stroke='%23376a8c' stroke-width='2'/%3E%3Cpath d='M8 8h7M12 8v3' stroke='%23376a8c' stroke-width='2'/%3E%3C/svg%3E"

/**
 * The report as one HTML file, which loads nothing from a network. It is complete without its script; with the script, lists can be
 * searched, filtered and sorted, and show their first 200 matches.
 */
export async function renderPage(report: AuditReport): Promise<string> {
  const title = `Keyturn audit ${report.stage} ${dayOf(report.moment)}`
  const ages = await ageCharts(report.credentials)
  const days = await dayCharts(report.days)
  const { text } = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${contentSecurityPolicy}"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer"><title>${title}</title><link rel="icon" href="${ICON}"><style>${trustedMarkup(STYLE_SHEET)}</style><script>${trustedMarkup(EARLY_SCRIPT)}</script></head>
<body><a class="skip" href="#findings">To the findings</a><div class="page">${summarySection(report)}
<nav aria-label="Sections"><a href="#rules">What was found</a>${report.findings.length > 0 && html`<a href="#findings">Findings</a>`}<a href="#time">Ages and rotations</a>${report.cost && html`<a href="#cost">Cost</a>`}<a href="#credentials">Credentials</a></nav>
<main>${rulesSection(report)}${findingsSection(report)}
<section id="time" aria-labelledby="time-head"><h2 id="time-head">Ages and rotations</h2><div class="figures">${ages}${days}</div>${dayTable(report.days)}${breakdownTables(report)}</section>
${billSection(report.cost)}${credentialsSection(report)}</main>
${pageFooter(report)}</div><p class="unseen" role="status" id="said"></p><script>${trustedMarkup(lateScript)}</script></body></html>
`
  return text
}

const trustedMarkup = (text: string) => new Markup(text)

const sourceHash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** The page's Content-Security-Policy: it allows the page's own style sheet and scripts by their hashes, and nothing else. */
const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src ${sourceHash(STYLE_SHEET)}`,
  `script-src ${sourceHash(EARLY_SCRIPT)} ${sourceHash(lateScript)}`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ')

const pageFooter = ({ readsKnownSince, regions, format }: AuditReport) =>
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
