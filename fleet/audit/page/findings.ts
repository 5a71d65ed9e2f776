import { isCommand } from '../command.ts'
import type { Finding, Report } from '../report.ts'
import { severities } from '../report.ts'
import { NO_TEAM } from '../team.ts'
import { counter, facetsOf, more, toolbar } from './facets.ts'
import { candid, html, type Markup, outside, type Part } from './markup.ts'
import { dayOf, mark, severityNames } from './words.ts'

const statusOf = ({ status, excepted }: Finding) => {
  if (excepted) return 'Excepted'
  return status === 'unread' ? 'Could not be read' : 'Found'
}

/** Every finding with its remedy, in the order of the report: the worst first. */
export function findingsSection({ rules, findings }: Report): Markup {
  if (!findings.length) return html``
  const titles = new Map(rules.map(({ id, title }) => [id, title]))
  const titleOf = ({ rule }: Finding) => titles.get(rule) ?? rule
  const facets = facetsOf(findings, [
    {
      key: 's',
      label: 'Severity',
      textOf: ({ severity }) => severityNames[severity],
      order: severities.map(each => severityNames[each]),
    },
    { key: 'r', label: 'Rule', textOf: titleOf },
    { key: 'g', label: 'Region', textOf: ({ region }) => region },
    { key: 't', label: 'Team', textOf: ({ team = NO_TEAM }) => team },
    { key: 'u', label: 'Status', textOf: statusOf },
    { key: 'n', label: 'Since the baseline', textOf: ({ isNew }) => (isNew ? 'New' : 'Known before') },
  ])
  return html`<section id="findings" data-list aria-labelledby="findings-head"><h2 id="findings-head" tabindex="-1">Findings and their remedies</h2>
${toolbar('Findings', 'A name, a word', facets)}${counter(findings.length, 'findings')}
<ol class="findings" data-rows>${findings.map(
    (finding, place) => html`
<li id="f${place}"${facets.map(facet => facet.attributeOf(finding))}>${item(finding, titleOf(finding))}</li>`,
  )}</ol>${more}</section>`
}

/** A word with hyphens is not broken at them, as an option or a Region's name would be. */
const words = (text: string): Part[] =>
  text.split(/(\s+)/).map(word => (word.includes('-') ? html`<span>${word}</span>` : word))

function item(finding: Finding, title: string): Markup {
  const { severity, status, region, credential, team, detail, remedy, excepted, isNew } = finding
  return html`<div class="case"><p class="head">${mark(severity)} <b>${title}</b>${isNew && html` <span class="tag">new</span>`}${
    status === 'unread' && html` <span class="tag">could not be read</span>`
  }</p><p class="whom">${credential ? html`<bdi class="name">${credential.name}</bdi>` : 'The deployment'} <span>${region}</span>${
    team !== undefined && html` <span>${outside(team)}</span>`
  }</p><p>${outside(detail)}</p>${
    excepted &&
    html`<p class="remark">Excepted until ${dayOf(excepted.until)}: ${outside(excepted.reason)}</p>`
  }</div><div class="remedy"><pre class="${!isCommand(remedy) && 'prose'}">${words(candid(remedy))}</pre></div>`
}
