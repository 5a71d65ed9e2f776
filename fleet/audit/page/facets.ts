import { formatNumber } from '../../formatCount.ts'
import { html, type Markup, truncate, withoutDirectionMarks } from './markup.ts'

/** By what the items of a list are told apart. `key` is a letter of its own in its list. */
type Trait<Item> = {
  key: string
  label: string
  textOf(item: Item): string
  /** The order of its values; without it the most frequent comes first. */
  order?: string[]
}

/** A choice by which a list is narrowed: its values, and the attribute that each item's row gets for its own. */
type Facet<Item> = {
  key: string
  label: string
  options: { text: string; count: number }[]
  attributeOf(item: Item): Markup
}

/** Characters that a choice shows of a value. */
const MAX_OPTION_LENGTH = 60

/** The facets of those traits in which two items differ at least. */
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

/**
 * What narrows a list: a search, and a choice for every facet. It is for browsers that run the page's script; others never
 * show it.
 */
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

/** How many of a list are shown, and what shows more of them. */
export const countLine = (total: number, many: string): Markup =>
  html`<p class="count"><output data-count="${many}">${formatNumber(total)} ${many}</output></p>`

export const moreButtons: Markup = html`<p class="more scripted" hidden><button type="button" data-more="200"></button> <button type="button" data-more="all"></button></p>`
