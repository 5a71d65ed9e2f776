import type { AuditReport, Finding } from '../report.ts'
import { SEVERITIES } from '../report.ts'
import { isCommand } from '../shellCommand.ts'
import { NO_TEAM } from '../team.ts'
import { countLine, facetsOf, moreButtons, toolbar } from './facets.ts'
import { dayOf, SEVERITY_NAMES, severityMark } from './format.ts'
import { html, isolateText, type Markup, type MarkupPart, showDirectionMarks } from './markup.ts'

const statusOf = ({ status, excepted }: Finding) => {
  if (excepted) return 'Excepted'
  return status === 'unread' ? 'Could not be read' : 'Found'
}

/** The section with every finding and its remedy, in the order of the report: the worst first. */
export function findingsSection({ rules, findings }: AuditReport): Markup {
  if (!findings.length) return html``
  const titles = new Map(rules.map(({ id, title }) => [id, title]))
  const titleOf = ({ rule }: Finding) => titles.get(rule) ?? rule
  const facets = facetsOf(findings, [
    {
      key: 's',
      label: 'Severity',
      textOf: ({ severity }) => SEVERITY_NAMES[severity],
      order: SEVERITIES.map(each => SEVERITY_NAMES[each]),
    },
    { key: 'r', label: 'Rule', textOf: titleOf },
    { key: 'g', label: 'Region', textOf: ({ region }) => region },
    { key: 't', label: 'Team', textOf: ({ team = NO_TEAM }) => team },
    { key: 'u', label: 'Status', textOf: statusOf },
    { key: 'n', label: 'Since the baseline', textOf: ({ isNew }) => (isNew ? 'New' : 'Known before') },
  ])
  return html`<section id="findings" data-list aria-labelledby="findings-head"><h2 id="findings-head" tabindex="-1">Findings and their remedies</h2>
${toolbar('Findings', 'A name, a word', facets)}${countLine(findings.length, 'findings')}
<ol class="findings" data-rows>${findings.map(
    (finding, place) => html`
<li id="f${place}"${facets.map(facet => facet.attributeOf(finding))}>${findingItem(finding, titleOf(finding))}</li>`,
  )}</ol>${moreButtons}</section>`
}

/** The text with an element around each word that has hyphens, so that options and names of Regions are not broken at line ends. */
const unbrokenWords = (text: string): MarkupPart[] =>
  text.split(/(\s+)/).map(word => (word.includes('-') ? html`<span>${word}</span>` : word))

function findingItem(finding: Finding, title: string): Markup {
  const { severity, status, region, credential, team, detail, remedy, excepted, isNew } = finding
  return html`<div class="case"><p class="head">${severityMark(severity)} <b>${title}</b>${isNew && html` <span class="tag">new</span>`}${
    status === 'unread' && html` <span class="tag">could not be read</span>`
  }</p><p class="whom">${credential ? html`<bdi class="name">${credential.name}</bdi>` : 'The deployment'} <span>${region}</span>${
    team !== undefined && html` <span>${isolateText(team)}</span>`
  }</p><p>${isolateText(detail)}</p>${
    excepted &&
    html`<p class="remark">Excepted until ${dayOf(excepted.until)}: ${isolateText(excepted.reason)}</p>`
  }</div><div class="remedy"><pre class="${!isCommand(remedy) && 'prose'}">${unbrokenWords(showDirectionMarks(remedy))}</pre></div>`
}
