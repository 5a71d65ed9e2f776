import { formatNumber } from '../../formatCount.ts'
import { html, type Markup, truncate, withoutDirectionMarks } from './markup.ts'

/** A property by which a list can be filtered. `key` is a letter that no other trait of the list has. */
type Trait<Item> = {
  key: string
  label: string
  /** The value of an item, as the reader chooses it. */
  textOf(item: Item): string
  /** The order of the values; by default the most frequent comes first. */
  order?: string[]
}

/** A filter of a list: the values to choose from, and the data attribute with its value that the row of an item gets. */
type Facet<Item> = {
  key: string
  label: string
  options: { text: string; count: number }[]
  attributeOf(item: Item): Markup
}

/** How many characters of a value are shown in a filter. */
const MAX_OPTION_LENGTH = 60

/** The facets of the traits that have at least two different values. */
export const facetsOf = <Item>(items: Item[], traits: Trait<Item>[]): Facet<Item>[] =>
  traits.map(trait => facetOf(items, trait)).filter(({ options }) => options.length > 1)

function facetOf<Item>(items: Item[], { key, label, textOf, order = [] }: Trait<Item>): Facet<Item> {
  const counts = new Map<string, number>(order.map(value => [value, 0]))
  for (const value of items.map(textOf)) counts.set(value, (counts.get(value) ?? 0) + 1)
  const sorted = [...counts].filter(([, count]) => count > 0)
  if (!order.length) sorted.sort(([a, n], [b, m]) => m - n || a.localeCompare(b, 'en'))
  const places = new Map(sorted.map(([value], place) => [value, place]))
  return {
    key,
    label,
    options: sorted.map(([text, count]) => ({ text, count })),
    attributeOf: item => html` data-${key}="${places.get(textOf(item))}"`,
  }
}

/** The search field and the filters of a list. They are hidden in a browser that does not run the page's script. */
export function toolbar<Item>(name: string, hint: string, facets: Facet<Item>[]): Markup {
  const choices = facets.map(
    ({ key, label, options }) =>
      html`<label>${label}<select data-facet="${key}"><option value="">All</option>${options.map(
        ({ text, count }, place) =>
          html`<option value="${place}">${truncate(withoutDirectionMarks(text), MAX_OPTION_LENGTH)} (${formatNumber(count)})</option>`,
      )}</select></label>`,
  )
  return html`<form class="tools scripted" role="search" aria-label="${name}"><label class="wide">Search<input type="search" placeholder="${hint}" autocomplete="off" spellcheck="false"></label>${choices}</form>`
}

/** The line that says how many items of a list are shown. `many` is what they are called, such as `findings`. */
export const countLine = (total: number, many: string): Markup =>
  html`<p class="count"><output data-count="${many}">${formatNumber(total)} ${many}</output></p>`

/** The buttons below a list that show more of its items. The page's script gives them their texts. */
export const moreButtons: Markup = html`<p class="more scripted" hidden><button type="button" data-more="200"></button> <button type="button" data-more="all"></button></p>`
