import { cut, html, type Markup, undirected } from './markup.ts'
import { number } from './words.ts'

/** A choice by which a list is narrowed: its values, the most frequent first, and whose row has which. */
export type Facet = {
  key: string
  label: string
  options: { text: string; count: number }[]
  /** The attribute that a row with this value gets. */
  attribute(value: string): Markup
}

/** Characters that a choice shows of a value. */
const LONGEST = 60

/** The facet of these values, one a row. `key` is a letter of its own in its list; `fixed` keeps this order instead. */
export function facetOf(key: string, label: string, values: string[], fixed: string[] = []): Facet {
  const counts = new Map<string, number>(fixed.map(value => [value, 0]))
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  const sorted = [...counts].filter(([, count]) => count > 0)
  if (!fixed.length) sorted.sort(([a, n], [b, m]) => m - n || a.localeCompare(b, 'en'))
  const places = new Map(sorted.map(([value], place) => [value, place]))
  return {
    key,
    label,
    options: sorted.map(([text, count]) => ({ text, count })),
    attribute: value => html` data-${key}="${places.get(value)}"`,
  }
}

/**
 * What narrows a list: a search, and a choice for every facet that has two values at least. It is for browsers that run
 * the page's script; others never show it.
 */
export function toolbar(name: string, hint: string, facets: Facet[]): Markup {
  const choices = facets
    .filter(({ options }) => options.length > 1)
    .map(
      ({ key, label, options }) =>
        html`<label>${label}<select data-facet="${key}"><option value="">All</option>${options.map(
          ({ text, count }, place) =>
            html`<option value="${place}">${cut(undirected(text), LONGEST)} (${number(count)})</option>`,
        )}</select></label>`,
    )
  return html`<form class="tools scripted" role="search" aria-label="${name}"><label class="wide">Search<input type="search" placeholder="${hint}" autocomplete="off" spellcheck="false"></label>${choices}</form>`
}

/** How many of a list are shown, and what shows more of them. */
export const counter = (total: number, many: string): Markup =>
  html`<p class="count"><output data-count="${many}">${number(total)} ${many}</output></p>`

export const more: Markup = html`<p class="more scripted" hidden><button type="button" data-more="200"></button> <button type="button" data-more="all"></button></p>`
