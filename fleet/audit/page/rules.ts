import { formatCount, formatNumber } from '../../formatCount.ts'
import type { AuditReport, RuleText } from '../report.ts'
import { SEVERITIES } from '../report.ts'
import { severityMark } from './format.ts'
import { html, type Markup } from './markup.ts'

/** A rule with the numbers of its findings. */
type RuleSummary = RuleText & {
  found: number
  unread: number
  excepted: number
  newCount: number
  /** The index of its first finding among all findings; -1 if it has none. */
  first: number
}

/** The section with the rules: each rule with its findings, the worst first; those without a finding are in a details element. */
export function rulesSection({ rules, findings, gone, policy }: AuditReport): Markup {
  const byRule = new Map<string, RuleSummary>(
    rules.map(rule => [rule.id, { ...rule, found: 0, unread: 0, excepted: 0, newCount: 0, first: -1 }]),
  )
  for (const [place, { rule, status, excepted, isNew }] of findings.entries()) {
    const summary = byRule.get(rule)
    if (!summary) continue
    if (summary.first === -1) summary.first = place
    if (excepted) summary.excepted++
    else summary[status]++
    if (isNew) summary.newCount++
  }
  const rank = ({ severity }: RuleText) => SEVERITIES.indexOf(severity)
  const sorted = [...byRule.values()].sort((a, b) => rank(a) - rank(b) || b.found - a.found)
  const broken = sorted.filter(({ first }) => first !== -1)
  const unbroken = sorted.filter(({ first }) => first === -1)
  return html`<section id="rules" aria-labelledby="rules-head"><h2 id="rules-head">What was found</h2>${policy !== undefined && html`<p class="remark">By the policy: ${policy}.</p>`}${gone && html`<p class="remark">Of the baseline's findings ${gone.length ? formatNumber(gone.length) : 'none'} ${gone.length < 2 ? 'is' : 'are'} gone.</p>`}
${broken.length > 0 ? html`<ol class="rules">${broken.map(ruleItem)}</ol>` : html`<p>Nothing: no rule is broken.</p>`}
${unbroken.length > 0 && html`<details data-print><summary>${formatCount(unbroken.length, 'rule')} without a finding</summary><ol class="rules kept">${unbroken.map(ruleItem)}</ol></details>`}</section>`
}

function ruleItem({
  title,
  severity,
  why,
  references,
  found,
  unread,
  excepted,
  newCount,
  first,
}: RuleSummary): Markup {
  const more = [
    unread > 0 && `${formatNumber(unread)} could not be read`,
    excepted > 0 && `${formatNumber(excepted)} excepted`,
    newCount > 0 && `${formatNumber(newCount)} new`,
  ].filter(text => text !== false)
  return html`<li>${severityMark(severity)}<div><h3>${title}</h3><p>${why}</p>${
    references.length > 0 && html`<p class="remark">${references.join(' · ')}</p>`
  }</div><p class="total">${
    first === -1
      ? html`<b>0</b>`
      : html`<a href="#f${first}" data-alike="r"><b>${formatNumber(found)}</b><span class="unseen"> findings: ${title}</span></a>`
  }${more.map(text => html` <small>${text}</small>`)}</p></li>`
}
