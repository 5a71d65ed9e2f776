import type { AuditReport, CredentialRow, Finding } from '../report.ts'
import { SEVERITIES } from '../report.ts'
import { NO_TEAM } from '../team.ts'
import { countLine, facetsOf, moreButtons, toolbar } from './facets.ts'
import {
  CREDENTIAL_COLUMNS,
  dayOf,
  formatDollars,
  hasLastRotationFailed,
  isOverAge,
  KIND_NAMES,
  SEVERITY_NAMES,
} from './format.ts'
import { html, isolateText, type Markup, type MarkupPart } from './markup.ts'

/** Where the date of a value comes from, if it is not the table of rotations. */
const AGE_SOURCE_NOTES: Partial<Record<NonNullable<CredentialRow['rotatedBy']>, string>> = {
  version: "by the version's date",
  'last-rotated': "by the service's date",
  'last-changed': 'by its last change of any kind',
}

/** A number that is larger for worse findings: one finding weighs more than all of the next lower severity, up to 999 of them. */
const findingsWeight = ({ findings }: CredentialRow) =>
  SEVERITIES.reduce((sum, severity) => sum * 1000 + Math.min(999, findings[severity] ?? 0), 0)

/** The order of the rows: by findings, then by the age as a share of the allowed age. */
const worstFirst = (a: CredentialRow, b: CredentialRow) =>
  findingsWeight(b) - findingsWeight(a) ||
  (b.ageDays ?? 0) / (b.maxAgeDays ?? Number.POSITIVE_INFINITY) -
    (a.ageDays ?? 0) / (a.maxAgeDays ?? Number.POSITIVE_INFINITY) ||
  a.name.localeCompare(b.name, 'en') ||
  a.region.localeCompare(b.region, 'en')

const stateOf = (row: CredentialRow) => {
  if (isOverAge(row)) return 'Older than allowed'
  return isOverAge(row) === undefined ? 'No limit or age known' : 'Within policy'
}
const outcomeOf = (row: CredentialRow) => {
  if (row.lastOutcome === undefined) return 'Not known'
  return hasLastRotationFailed(row) ? 'Did not go well' : 'Went well'
}
const worstOf = ({ findings }: CredentialRow) => {
  const worst = SEVERITIES.find(severity => findings[severity])
  return worst ? SEVERITY_NAMES[worst] : 'None'
}

/** The section with the table of all credentials. */
export function credentialsSection({ credentials, findings }: AuditReport): Markup {
  const rows = credentials.toSorted(worstFirst)
  const facets = facetsOf(rows, [
    { key: 'k', label: 'Kind', textOf: ({ kind }) => KIND_NAMES[kind].one },
    { key: 'g', label: 'Region', textOf: ({ region }) => region },
    { key: 't', label: 'Team', textOf: ({ team = NO_TEAM }) => team },
    { key: 'a', label: 'Age', textOf: stateOf },
    { key: 'o', label: 'Last rotation', textOf: outcomeOf },
    { key: 'w', label: 'Worst finding', textOf: worstOf },
  ])
  const firsts = firstFindings(findings)
  return html`<section id="credentials" data-list aria-labelledby="credentials-head"><h2 id="credentials-head" tabindex="-1">All credentials</h2>
${toolbar('Credentials', 'A name, a team, a server', facets)}${countLine(rows.length, 'credentials')}
<table class="credentials"><thead><tr>${CREDENTIAL_COLUMNS.map(
    (head, place) => html`<th scope="col" class="${place > 2 && 'n'}"><span>${head}</span></th>`,
  )}</tr></thead><tbody data-rows>${rows.map(
    row => html`
<tr${facets.map(facet => facet.attributeOf(row))}>${cells(row, firsts.get(row.arn))}</tr>`,
  )}</tbody></table>${moreButtons}</section>`
}

function cells(row: CredentialRow, first: number | undefined): Markup {
  const { name, kind, region, team, host, engine, strategy, ageDays, maxAgeDays, rotatedAt, rotatedBy } = row
  const { next, lastOutcome, lastRead, monthly } = row
  const outcome = hasLastRotationFailed(row) ? `last rotation: ${lastOutcome}` : lastOutcome
  const rotated = [rotatedBy && AGE_SOURCE_NOTES[rotatedBy], outcome].filter(text => text !== undefined)
  return html`<th scope="row"><bdi class="name">${name}</bdi><small>${KIND_NAMES[kind].one} · ${region}</small></th><td>${
    team === undefined ? noValue : isolateText(team)
  }</td><td>${host === undefined ? noValue : isolateText(host)}${engineAndStrategy(engine, strategy)}</td><td class="n${
    isOverAge(row) && ' over'
  }" data-v="${ageDays}">${ageDays ?? noValue}${smallText(maxAgeDays !== undefined && `of ${maxAgeDays}`)}</td><td class="n${
    hasLastRotationFailed(row) && ' over'
  }" data-v="${rotatedAt}">${rotatedAt === undefined ? noValue : dayOf(rotatedAt)}${smallText(rotated.join(', '))}</td><td class="n">${
    next === undefined ? noValue : dayOf(next)
  }</td><td class="n">${lastRead === undefined ? noValue : lastRead === 'never' ? lastRead : dayOf(lastRead)}</td><td class="n" data-v="${monthly}">${
    monthly === undefined ? noValue : formatDollars(monthly)
  }</td><td class="n" data-v="${findingsWeight(row) || undefined}">${findingMarks(row, first)}</td>`
}

const engineAndStrategy = (...parts: (string | undefined)[]) => {
  const known = parts.filter(part => part !== undefined)
  return (
    known.length > 0 &&
    html`<small>${known.map((part, place) => [place > 0 && ' · ', isolateText(part)])}</small>`
  )
}
const noValue = html`<span class="none">–</span>`
const smallText = (text: MarkupPart) =>
  text !== '' && text !== undefined && text !== false && html`<small>${text}</small>`

function findingMarks({ findings }: CredentialRow, first: number | undefined): MarkupPart {
  const marks = SEVERITIES.flatMap(severity => {
    const count = findings[severity]
    return count
      ? [html`<span class="mark ${severity}">${count} ${SEVERITY_NAMES[severity].toLowerCase()}</span>`]
      : []
  })
  if (!marks.length) return noValue
  return first === undefined ? marks : html`<a href="#f${first}" data-name>${marks}</a>`
}

/** The index of each credential's first finding, by the credential's ARN. */
function firstFindings(findings: Finding[]): Map<string, number> {
  const firsts = new Map<string, number>()
  for (const [place, { credential }] of findings.entries())
    if (credential && !firsts.has(credential.arn)) firsts.set(credential.arn, place)
  return firsts
}
