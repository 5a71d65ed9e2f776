import type { CostReport } from '../../cost/costReport.ts'
import { formatCount, formatNumber } from '../../formatCount.ts'
import type { AuditReport, CredentialRow } from '../report.ts'
import { NO_TEAM } from '../team.ts'
import { formatAmount, hasLastRotationFailed, isOverAge } from './format.ts'
import { html, isolateText, type Markup } from './markup.ts'

/** The credentials of one team, or on one server. */
type CredentialGroup = {
  name: string
  /** How many there are. */
  credentials: number
  /** How many are older than the policy allows. */
  over: number
  /** How many have a last rotation that did not succeed. */
  failed: number
  /** How many findings they have. */
  findings: number
}

/** How many rows a table shows; the others are in a details element. */
const SHOWN_ROW_COUNT = 10

/** The tables of the credentials by team, and by the server that they log in to. */
export function breakdownTables({ credentials, cost }: AuditReport): Markup {
  const teams = groupsBy(credentials, ({ team = NO_TEAM }) => team)
  const hosts = groupsBy(
    credentials.filter(({ kind }) => kind !== 'replica'),
    ({ host }) => host,
  )
  return html`<div class="pair">${groupTable('By team', 'Team', teams, cost)}${groupTable('By server', 'Server', hosts)}</div>`
}

function groupsBy(
  rows: CredentialRow[],
  nameOf: (row: CredentialRow) => string | undefined,
): CredentialGroup[] {
  const groups = [...Map.groupBy(rows, nameOf)].flatMap(([name, members]): CredentialGroup[] => {
    if (name === undefined) return []
    const findings = members
      .flatMap(row => Object.values(row.findings))
      .reduce((sum, count) => sum + count, 0)
    const [over, failed] = [members.filter(isOverAge).length, members.filter(hasLastRotationFailed).length]
    return [{ name, credentials: members.length, over, failed, findings }]
  })
  return groups.sort((a, b) => b.credentials - a.credentials || a.name.localeCompare(b.name, 'en'))
}

/** A table of groups. `head` is the head of its first column. With `cost`, it has a column with what each team costs. */
function groupTable(title: string, head: string, groups: CredentialGroup[], cost?: CostReport): Markup {
  if (!groups.length) return html``
  const most = Math.max(...groups.map(({ credentials }) => credentials))
  const tableOf = (some: CredentialGroup[], label: string) =>
    html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="plain"><thead><tr><th scope="col">${head}</th><th scope="col" class="n">Credentials</th><th scope="col" class="n">Older</th><th scope="col" class="n">Failed last</th><th scope="col" class="n">Findings</th>${
      cost && html`<th scope="col" class="n">USD a month</th>`
    }</tr></thead><tbody>${some.map(group => groupRow(group, most, cost))}</tbody></table></div>`
  const [shown, folded] = [groups.slice(0, SHOWN_ROW_COUNT), groups.slice(SHOWN_ROW_COUNT)]
  return html`<section><h3>${title}</h3>${tableOf(shown, title)}${
    folded.length > 0 &&
    html`<details data-print><summary>${formatCount(folded.length, 'more', 'more')}</summary>${tableOf(folded, `${title}, continued`)}</details>`
  }</section>`
}

/** A row of such a table. Its bar is as long as the group's share of the largest group, which has `most` credentials. */
function groupRow(
  { name, credentials, over, failed, findings }: CredentialGroup,
  most: number,
  cost?: CostReport,
) {
  const count = (value: number) =>
    html`<td class="n${value > 0 && ' over'}">${value > 0 ? formatNumber(value) : '–'}</td>`
  const billed = cost?.byTeam[name]
  return html`<tr><th scope="row">${name === NO_TEAM ? NO_TEAM : isolateText(name)}<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect width="${Math.round((1000 * credentials) / most) / 10}" height="1"/></svg></th><td class="n">${formatNumber(credentials)}</td>${count(over)}${count(failed)}<td class="n">${
    findings > 0 ? formatNumber(findings) : '–'
  }</td>${cost && html`<td class="n">${billed ? formatAmount(billed) : '–'}</td>`}</tr>`
}
