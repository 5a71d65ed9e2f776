import { sumAmounts } from '../../cost/bill.ts'
import type { Comparison, CostLine, CostReport } from '../../cost/costReport.ts'
import { formatQuantity, STORE_TITLES } from '../../cost/wording.ts'
import { formatCount } from '../../formatCount.ts'
import { dayOf, formatAmount, formatPrice } from './format.ts'
import { html, type Markup } from './markup.ts'

/** The section with the cost: the lines of the bill, what the credentials would cost in either store, and what is assumed. */
export function billSection(cost: CostReport | undefined): Markup {
  if (!cost) return html``
  const { total, lines, unread, comparisons, assumptions, pricesOf, moment } = cost
  const groups = Map.groupBy(lines, ({ group }) => group)
  const dates = [...Map.groupBy(Object.entries(pricesOf), ([, day]) => dayOf(day))].map(
    ([day, entries]) => `${day} in ${entries.map(([region]) => region).join(' and ')}`,
  )
  return html`<section id="cost" aria-labelledby="cost-head"><h2 id="cost-head">Cost a month</h2>
<p class="lead"><b>${formatAmount(total)}</b> a month in US dollars, as of ${dayOf(moment)}. By the prices of ${dates.join(', of ')}. What stands behind ~ is an estimate, or rests on a price that nobody has confirmed.</p>
${
  unread.credentials > 0 &&
  html`<p>${formatCount(unread.credentials, 'credential')} that nobody has read, as far as is known, ${unread.credentials === 1 ? 'costs' : 'cost'} <b>${formatAmount(unread.amount)}</b> of it.</p>`
}
<div class="scroll" tabindex="0" role="region" aria-label="Cost by item"><table class="plain bill"><thead><tr><th scope="col">Item</th><th scope="col">Region</th><th scope="col" class="n">Quantity</th><th scope="col" class="n">Price</th><th scope="col" class="n">USD a month</th></tr></thead>${[
    ...groups,
  ].map(([group, groupLines]) =>
    groupRows(group, groupLines),
  )}<tfoot><tr><th scope="row" colspan="4">Together</th><td class="n">${formatAmount(total)}</td></tr></tfoot></table></div>
${comparisons.length > 0 && html`<h3>The same credentials in either store</h3><div class="pair">${comparisons.map(comparisonCard)}</div>`}
${
  assumptions.length > 0 &&
  html`<h3>What is assumed</h3><ul class="assumptions">${assumptions.map(text => html`<li>${text}</li>`)}</ul>`
}</section>`
}

const groupRows = (group: string, lines: CostLine[]) =>
  html`<tbody><tr class="group"><th scope="rowgroup" colspan="4">${group.charAt(0).toUpperCase()}${group.slice(1)}</th><td class="n">${formatAmount(
    sumAmounts(lines.map(line => line.amount)),
  )}</td></tr>${lines.map(
    ({ item, region, quantity, unit, price, source, confirmed, amount: each }) =>
      html`<tr><td>${item}<small>${source}</small></td><td>${region}</td><td class="n">${formatQuantity(quantity)} <span class="unit">${/^\d/.test(unit) && '× '}${unit}</span></td><td class="n">${!confirmed && '~'}${formatPrice(price)}</td><td class="n">${formatAmount(each)}</td></tr>`,
  )}</tbody>`

const comparisonCard = ({ store, total, losses }: Comparison) =>
  html`<section class="card"><h4>${STORE_TITLES[store]}</h4><p class="figure">${formatAmount(total)}</p>${
    losses.length > 0
      ? html`<p>There they would lose:</p><ul>${losses.map(
          ({ what, credentials }) =>
            html`<li>${what}${credentials !== undefined && `, which ${formatCount(credentials, 'credential uses', 'credentials use')}`}</li>`,
        )}</ul>`
      : html`<p>Nothing would be lost there.</p>`
  }</section>`
