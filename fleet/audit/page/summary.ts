import { formatCount, formatNumber } from '../../formatCount.ts'
import { minuteOf } from '../../minute.ts'
import type { AuditReport, Severity } from '../report.ts'
import { SEVERITIES } from '../report.ts'
import { formatAmount, isOverAge, SEVERITY_NAMES } from './format.ts'
import { html, type Markup } from './markup.ts'

/** The head of the page: what was audited and when, the result in one sentence, and the numbers of findings. */
export function summarySection(report: AuditReport): Markup {
  const { moment, account, stage, regions, scope, counts } = report
  return html`<header><div><p class="over-title">Keyturn · credential audit</p><h1>${verdict(report)}</h1></div>
<dl class="about"><div><dt>Account</dt><dd>${account}</dd></div><div><dt>Stage</dt><dd>${stage}</dd></div><div><dt>${
    regions.length === 1 ? 'Region' : 'Regions'
  }</dt><dd>${regions.join(', ')}</dd></div><div><dt>As of</dt><dd><time datetime="${moment}">${minuteOf(moment)}</time></dd></div></dl></header>
<section aria-label="Summary"><ul class="tiles">${SEVERITIES.map(severity => severityTile(severity, counts.findings[severity]))}<li><b>${formatNumber(counts.unread)}</b><span>could not be read</span></li><li><b>${formatNumber(counts.excepted)}</b><span>excepted</span></li></ul>
<div class="facts"><p><b>${formatNumber(counts.credentials)}</b> credentials: ${formatCount(counts.secrets, 'secret')}, ${formatCount(counts.replicas, 'replica')}, ${formatCount(counts.parameters, 'parameter')}${
    (counts.otherParameters ?? 0) > 0 &&
    html`; beside them ${formatCount(counts.otherParameters ?? 0, 'parameter')} without a credential`
  }</p>${withinPolicyShare(report)}${
    report.cost && html`<p><b>${formatAmount(report.cost.total)}</b> a month, in US dollars</p>`
  }${scope !== undefined && html`<p>${scope}</p>`}</div></section>`
}

/** The result in one sentence: how many findings there are of the two worst severities that have some. */
function verdict({ counts: { findings, credentials, unread } }: AuditReport): string {
  const worst = SEVERITIES.filter(severity => findings[severity] > 0).slice(0, 2)
  const all = formatCount(credentials, 'credential')
  if (worst.length === 0)
    return unread > 0 ? `No finding in ${all}, but not all could be read` : `No finding in ${all}`
  const named = worst.map(severity => `${formatNumber(findings[severity])} ${severity}`)
  const last = findings[worst.at(-1) ?? 'low']
  return `${named.join(' and ')} ${last === 1 ? 'finding' : 'findings'} in ${all}`
}

const severityTile = (severity: Severity, count: number) =>
  html`<li class="${count > 0 && severity}"><b>${formatNumber(count)}</b><span>${SEVERITY_NAMES[severity].toLowerCase()}</span></li>`

/** The share of credentials with a limit of age that are within it, in words and as a bar. */
function withinPolicyShare({ credentials }: AuditReport): Markup {
  const judged = credentials.map(isOverAge).filter(over => over !== undefined)
  if (judged.length === 0) return html``
  const within = judged.filter(over => !over).length
  const share = (100 * within) / judged.length
  // It is 100 % only if all of them are within their limit, and not by rounding.
  const percent = within === judged.length ? 100 : Math.min(99, Math.round(share))
  return html`<p><b>${percent} %</b> of those that have a limit are within it<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect width="100" height="1" class="rest"/><rect width="${Math.round(share * 10) / 10}" height="1"/></svg></p>`
}
