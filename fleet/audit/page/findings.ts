import { isCommand } from '../command.ts'
import type { Finding, Report } from '../report.ts'
import { severities } from '../report.ts'
import { counter, type Facet, facetOf, more, toolbar } from './facets.ts'
import { candid, html, type Markup, outside, type Part } from './markup.ts'
import { dayOf, mark, noTeam, severityNames } from './words.ts'

const statusOf = ({ status, excepted }: Finding) => {
  if (excepted) return 'Excepted'
  return status === 'unread' ? 'Could not be read' : 'Found'
}

/** Every finding with its remedy, in the order of the report: the worst first. */
export function findingsSection({ rules, findings }: Report): Markup {
  const titles = new Map(rules.map(({ id, title }) => [id, title]))
  const titleOf = ({ rule }: Finding) => titles.get(rule) ?? rule
  const severityOf = ({ severity }: Finding) => severityNames[severity]
  const teamOf = ({ team = noTeam }: Finding) => team
  const noveltyOf = ({ isNew }: Finding) => (isNew ? 'New' : 'Known before')
  const columns: [(finding: Finding) => string, Facet][] = [
    [
      severityOf,
      facetOf(
        's',
        'Severity',
        findings.map(severityOf),
        severities.map(each => severityNames[each]),
      ),
    ],
    [titleOf, facetOf('r', 'Rule', findings.map(titleOf))],
    [
      ({ region }) => region,
      facetOf(
        'g',
        'Region',
        findings.map(({ region }) => region),
      ),
    ],
    [teamOf, facetOf('t', 'Team', findings.map(teamOf))],
    [statusOf, facetOf('u', 'Status', findings.map(statusOf))],
    [noveltyOf, facetOf('n', 'Since the baseline', findings.map(noveltyOf))],
  ]
  if (!findings.length) return html``
  const facets = columns.map(([, facet]) => facet)
  const attributes = (finding: Finding) =>
    columns.map(([textOf, facet]) => facet.options.length > 1 && facet.attribute(textOf(finding)))
  return html`<section id="findings" data-list aria-labelledby="findings-head"><h2 id="findings-head" tabindex="-1">Findings and their remedies</h2>
${toolbar('Findings', 'A name, a word', facets)}${counter(findings.length, 'findings')}
<ol class="findings" data-rows>${findings.map(
    (finding, place) => html`
<li id="f${place}"${attributes(finding)}>${item(finding, titleOf(finding))}</li>`,
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
