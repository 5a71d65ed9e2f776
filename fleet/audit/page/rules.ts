import { counted, grouped } from '../../counted.ts'
import type { Report, RuleText } from '../report.ts'
import { severities } from '../report.ts'
import { html, type Markup } from './markup.ts'
import { mark } from './words.ts'

type Judged = RuleText & {
  found: number
  unread: number
  excepted: number
  fresh: number
  /** The place of its first finding among all. */
  first: number
}

/** Each rule with what it found, the worst first; and folded away, those that found nothing. */
export function rulesSection({ rules, findings, gone, policy }: Report): Markup {
  const byRule = new Map<string, Judged>(
    rules.map(rule => [rule.id, { ...rule, found: 0, unread: 0, excepted: 0, fresh: 0, first: -1 }]),
  )
  for (const [place, { rule, status, excepted, isNew }] of findings.entries()) {
    const judged = byRule.get(rule)
    if (!judged) continue
    if (judged.first === -1) judged.first = place
    if (excepted) judged.excepted++
    else judged[status]++
    if (isNew) judged.fresh++
  }
  const rank = ({ severity }: RuleText) => severities.indexOf(severity)
  const sorted = [...byRule.values()].sort((a, b) => rank(a) - rank(b) || b.found - a.found)
  const broken = sorted.filter(({ first }) => first !== -1)
  const kept = sorted.filter(({ first }) => first === -1)
  return html`<section id="rules" aria-labelledby="rules-head"><h2 id="rules-head">What was found</h2>${policy !== undefined && html`<p class="remark">By the policy: ${policy}.</p>`}${gone && html`<p class="remark">Of the baseline's findings ${gone.length ? grouped(gone.length) : 'none'} ${gone.length < 2 ? 'is' : 'are'} gone.</p>`}
${broken.length > 0 ? html`<ol class="rules">${broken.map(item)}</ol>` : html`<p>Nothing: no rule is broken.</p>`}
${kept.length > 0 && html`<details data-print><summary>${counted(kept.length, 'rule')} without a finding</summary><ol class="rules kept">${kept.map(item)}</ol></details>`}</section>`
}

function item({ title, severity, why, references, found, unread, excepted, fresh, first }: Judged): Markup {
  const more = [
    unread > 0 && `${grouped(unread)} could not be read`,
    excepted > 0 && `${grouped(excepted)} excepted`,
    fresh > 0 && `${grouped(fresh)} new`,
  ].filter(text => text !== false)
  return html`<li>${mark(severity)}<div><h3>${title}</h3><p>${why}</p>${
    references.length > 0 && html`<p class="remark">${references.join(' · ')}</p>`
  }</div><p class="total">${
    first === -1
      ? html`<b>0</b>`
      : html`<a href="#f${first}" data-alike="r"><b>${grouped(found)}</b><span class="unseen"> findings: ${title}</span></a>`
  }${more.map(text => html` <small>${text}</small>`)}</p></li>`
}
