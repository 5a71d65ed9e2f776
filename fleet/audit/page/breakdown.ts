import type { CostReport } from '../../cost/costReport.ts'
import { formatCount, formatNumber } from '../../formatCount.ts'
import type { AuditReport, CredentialRow } from '../report.ts'
import { NO_TEAM } from '../team.ts'
import { formatAmount, hasLastRotationFailed, isOverAge } from './format.ts'
import { html, isolateText, type Markup } from './markup.ts'

type CredentialGroup = {
  name: string
  credentials: number
  over: number
  failed: number
  findings: number
}

/** So many are shown at once; the others are folded away. */
const SHOWN_ROW_COUNT = 10

/** The same credentials by team and by the server that they log in to. */
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
  const shares = [...Map.groupBy(rows, nameOf)].flatMap(([name, some]): CredentialGroup[] => {
    if (name === undefined) return []
    const findings = some.flatMap(row => Object.values(row.findings)).reduce((sum, count) => sum + count, 0)
    const [over, failed] = [some.filter(isOverAge).length, some.filter(hasLastRotationFailed).length]
    return [{ name, credentials: some.length, over, failed, findings }]
  })
  return shares.sort((a, b) => b.credentials - a.credentials || a.name.localeCompare(b.name, 'en'))
}

function groupTable(title: string, head: string, shares: CredentialGroup[], cost?: CostReport): Markup {
  if (!shares.length) return html``
  const most = Math.max(...shares.map(({ credentials }) => credentials))
  const rows = (some: CredentialGroup[], label: string) =>
    html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="plain"><thead><tr><th scope="col">${head}</th><th scope="col" class="n">Credentials</th><th scope="col" class="n">Older</th><th scope="col" class="n">Failed last</th><th scope="col" class="n">Findings</th>${
      cost && html`<th scope="col" class="n">USD a month</th>`
    }</tr></thead><tbody>${some.map(share => groupRow(share, most, cost))}</tbody></table></div>`
  const [shown, folded] = [shares.slice(0, SHOWN_ROW_COUNT), shares.slice(SHOWN_ROW_COUNT)]
  return html`<section><h3>${title}</h3>${rows(shown, title)}${
    folded.length > 0 &&
    html`<details data-print><summary>${formatCount(folded.length, 'more', 'more')}</summary>${rows(folded, `${title}, continued`)}</details>`
  }</section>`
}

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
