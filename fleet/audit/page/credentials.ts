import type { Finding, Report, Row } from '../report.ts'
import { severities } from '../report.ts'
import { NO_TEAM } from '../team.ts'
import { counter, facetsOf, more, toolbar } from './facets.ts'
import { html, type Markup, outside, type Part } from './markup.ts'
import { dayOf, hasFailed, heads, isOver, kinds, money, severityNames } from './words.ts'

/** How the day is known, where it is not by the table of rotations. */
const sources: Partial<Record<NonNullable<Row['rotatedBy']>, string>> = {
  version: "by the version's date",
  'last-rotated': "by the service's date",
  'last-changed': 'by its last change of any kind',
}

/** A number by which the worse sorts first: a finding of one severity outweighs any number of the next. */
const weight = ({ findings }: Row) =>
  severities.reduce((sum, severity) => sum * 1000 + Math.min(999, findings[severity] ?? 0), 0)

/** In which order they are listed: by findings, then by how much of the allowed age is used up. */
const worstFirst = (a: Row, b: Row) =>
  weight(b) - weight(a) ||
  (b.ageDays ?? 0) / (b.maxAgeDays ?? Number.POSITIVE_INFINITY) -
    (a.ageDays ?? 0) / (a.maxAgeDays ?? Number.POSITIVE_INFINITY) ||
  a.name.localeCompare(b.name, 'en') ||
  a.region.localeCompare(b.region, 'en')

const stateOf = (row: Row) => {
  if (isOver(row)) return 'Older than allowed'
  return isOver(row) === undefined ? 'No limit or age known' : 'Within policy'
}
const outcomeOf = (row: Row) => {
  if (row.lastOutcome === undefined) return 'Not known'
  return hasFailed(row) ? 'Did not go well' : 'Went well'
}
const worstOf = ({ findings }: Row) => {
  const worst = severities.find(severity => findings[severity])
  return worst ? severityNames[worst] : 'None'
}

/** The table of all credentials: the data of every chart above it. */
export function credentialsSection({ credentials, findings }: Report): Markup {
  const rows = credentials.toSorted(worstFirst)
  const facets = facetsOf(rows, [
    { key: 'k', label: 'Kind', textOf: ({ kind }) => kinds[kind].one },
    { key: 'g', label: 'Region', textOf: ({ region }) => region },
    { key: 't', label: 'Team', textOf: ({ team = NO_TEAM }) => team },
    { key: 'a', label: 'Age', textOf: stateOf },
    { key: 'o', label: 'Last rotation', textOf: outcomeOf },
    { key: 'w', label: 'Worst finding', textOf: worstOf },
  ])
  const firsts = firstFindings(findings)
  return html`<section id="credentials" data-list aria-labelledby="credentials-head"><h2 id="credentials-head" tabindex="-1">All credentials</h2>
${toolbar('Credentials', 'A name, a team, a server', facets)}${counter(rows.length, 'credentials')}
<table class="credentials"><thead><tr>${heads.map(
    (head, place) => html`<th scope="col" class="${place > 2 && 'n'}"><span>${head}</span></th>`,
  )}</tr></thead><tbody data-rows>${rows.map(
    row => html`
<tr${facets.map(facet => facet.attributeOf(row))}>${cells(row, firsts.get(row.arn))}</tr>`,
  )}</tbody></table>${more}</section>`
}

function cells(row: Row, first: number | undefined): Markup {
  const { name, kind, region, team, host, engine, strategy, ageDays, maxAgeDays, rotatedAt, rotatedBy } = row
  const { next, lastOutcome, lastRead, monthly } = row
  const outcome = hasFailed(row) ? `last rotation: ${lastOutcome}` : lastOutcome
  const rotated = [rotatedBy && sources[rotatedBy], outcome].filter(text => text !== undefined)
  return html`<th scope="row"><bdi class="name">${name}</bdi><small>${kinds[kind].one} · ${region}</small></th><td>${
    team === undefined ? none : outside(team)
  }</td><td>${host === undefined ? none : outside(host)}${kindOf(engine, strategy)}</td><td class="n${
    isOver(row) && ' over'
  }" data-v="${ageDays}">${ageDays ?? none}${small(maxAgeDays !== undefined && `of ${maxAgeDays}`)}</td><td class="n${
    hasFailed(row) && ' over'
  }" data-v="${rotatedAt}">${rotatedAt === undefined ? none : dayOf(rotatedAt)}${small(rotated.join(', '))}</td><td class="n">${
    next === undefined ? none : dayOf(next)
  }</td><td class="n">${lastRead === undefined ? none : lastRead === 'never' ? lastRead : dayOf(lastRead)}</td><td class="n" data-v="${monthly}">${
    monthly === undefined ? none : money(monthly)
  }</td><td class="n" data-v="${weight(row) || undefined}">${tally(row, first)}</td>`
}

const kindOf = (...parts: (string | undefined)[]) => {
  const known = parts.filter(part => part !== undefined)
  return (
    known.length > 0 &&
    html`<small>${known.map((part, place) => [place > 0 && ' · ', outside(part)])}</small>`
  )
}
const none = html`<span class="none">–</span>`
const small = (text: Part) =>
  text !== '' && text !== undefined && text !== false && html`<small>${text}</small>`

function tally({ findings }: Row, first: number | undefined): Part {
  const marks = severities.flatMap(severity => {
    const count = findings[severity]
    return count
      ? [html`<span class="mark ${severity}">${count} ${severityNames[severity].toLowerCase()}</span>`]
      : []
  })
  if (!marks.length) return none
  return first === undefined ? marks : html`<a href="#f${first}" data-name>${marks}</a>`
}

/** The place of each credential's first finding, by ARN. */
function firstFindings(findings: Finding[]): Map<string, number> {
  const firsts = new Map<string, number>()
  for (const [place, { credential }] of findings.entries())
    if (credential && !firsts.has(credential.arn)) firsts.set(credential.arn, place)
  return firsts
}
