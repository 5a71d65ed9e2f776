import type { CostReport } from '../../cost/costReport.ts'
import { counted, grouped } from '../../counted.ts'
import type { Report, Row } from '../report.ts'
import { NO_TEAM } from '../team.ts'
import { html, type Markup, outside } from './markup.ts'
import { amount, hasFailed, isOver } from './words.ts'

type Share = {
  name: string
  credentials: number
  over: number
  failed: number
  findings: number
}

/** So many are shown at once; the others are folded away. */
const SHOWN = 10

/** The same credentials by team and by the server that they log in to. */
export function breakdown({ credentials, cost }: Report): Markup {
  const teams = sharesBy(credentials, ({ team = NO_TEAM }) => team)
  const hosts = sharesBy(
    credentials.filter(({ kind }) => kind !== 'replica'),
    ({ host }) => host,
  )
  return html`<div class="pair">${table('By team', 'Team', teams, cost)}${table('By server', 'Server', hosts)}</div>`
}

function sharesBy(rows: Row[], nameOf: (row: Row) => string | undefined): Share[] {
  const shares = [...Map.groupBy(rows, nameOf)].flatMap(([name, some]): Share[] => {
    if (name === undefined) return []
    const findings = some.flatMap(row => Object.values(row.findings)).reduce((sum, count) => sum + count, 0)
    const [over, failed] = [some.filter(isOver).length, some.filter(hasFailed).length]
    return [{ name, credentials: some.length, over, failed, findings }]
  })
  return shares.sort((a, b) => b.credentials - a.credentials || a.name.localeCompare(b.name, 'en'))
}

function table(title: string, head: string, shares: Share[], cost?: CostReport): Markup {
  if (!shares.length) return html``
  const most = Math.max(...shares.map(({ credentials }) => credentials))
  const rows = (some: Share[], label: string) =>
    html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="plain"><thead><tr><th scope="col">${head}</th><th scope="col" class="n">Credentials</th><th scope="col" class="n">Older</th><th scope="col" class="n">Failed last</th><th scope="col" class="n">Findings</th>${
      cost && html`<th scope="col" class="n">USD a month</th>`
    }</tr></thead><tbody>${some.map(share => line(share, most, cost))}</tbody></table></div>`
  const [shown, folded] = [shares.slice(0, SHOWN), shares.slice(SHOWN)]
  return html`<section><h3>${title}</h3>${rows(shown, title)}${
    folded.length > 0 &&
    html`<details data-print><summary>${counted(folded.length, 'more', 'more')}</summary>${rows(folded, `${title}, continued`)}</details>`
  }</section>`
}

function line({ name, credentials, over, failed, findings }: Share, most: number, cost?: CostReport) {
  const count = (value: number) =>
    html`<td class="n${value > 0 && ' over'}">${value > 0 ? grouped(value) : '–'}</td>`
  const billed = cost?.byTeam[name]
  return html`<tr><th scope="row">${name === NO_TEAM ? NO_TEAM : outside(name)}<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect width="${Math.round((1000 * credentials) / most) / 10}" height="1"/></svg></th><td class="n">${grouped(credentials)}</td>${count(over)}${count(failed)}<td class="n">${
    findings > 0 ? grouped(findings) : '–'
  }</td>${cost && html`<td class="n">${billed ? amount(billed) : '–'}</td>`}</tr>`
}
