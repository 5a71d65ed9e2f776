/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/**
 * A list that can be searched, filtered and sorted. All rows are taken out of the document, and the first ones that match are put
 * back. The elements and data attributes that it uses are written by facets.ts and the section's own file.
 */
class SearchableList {
  readonly section: HTMLElement
  readonly #body: HTMLElement
  readonly #input: HTMLInputElement
  readonly #selects: HTMLSelectElement[]
  /** All rows in the order of the report. */
  readonly #all: HTMLElement[]
  /** All rows in the order in which the reader has sorted them. */
  #order: HTMLElement[]
  /** The rows that match the search and the filters, in that order. */
  #matches: HTMLElement[] = []
  /** How many matches are shown at most. */
  #shown = 200
  /** The text of each row in lower case, from the first search on. */
  #texts: Map<HTMLElement, string> | undefined

  constructor(section: HTMLElement, body: HTMLElement, input: HTMLInputElement) {
    this.section = section
    this.#body = body
    this.#input = input
    this.#selects = [...section.querySelectorAll('select')]
    this.#all = [...body.children] as HTMLElement[]
    this.#order = this.#all
    for (const [place, head] of [...section.querySelectorAll<HTMLElement>('thead th')].entries())
      this.#makeSortable(head, place)
    input.form?.addEventListener('submit', event => event.preventDefault())
    input.addEventListener('input', () => this.#filter())
    for (const select of this.#selects) select.addEventListener('change', () => this.#filter())
    for (const button of this.#moreButtons())
      button.addEventListener('click', () => this.#showMore(button.dataset.more === 'all'))
    this.#filter()
    section.classList.add('ready')
  }

  /** Shows the rows that have all of these words, without any other filter. */
  search(words: string): void {
    this.#resetTo(words)
    this.#filter()
  }

  /** Shows the rows that have the same value of a facet as the row with this id, without any other filter. */
  filterLike(id: string, facet: string): void {
    this.#resetTo('')
    const row = this.#all.find(row => row.id === id)
    const select = this.#selects.find(({ dataset }) => dataset.facet === facet)
    if (select) select.value = row?.dataset[facet] ?? ''
    this.#filter()
  }

  /** Sets the search to these words, and removes every other filter. */
  #resetTo(words: string): void {
    for (const select of this.#selects) select.value = ''
    this.#input.value = words
  }

  #moreButtons(): HTMLElement[] {
    return [...this.section.querySelectorAll<HTMLElement>('[data-more]')]
  }

  #textOf(row: HTMLElement): string {
    this.#texts ??= new Map(this.#all.map(row => [row, (row.textContent ?? '').toLowerCase()]))
    return this.#texts.get(row) ?? ''
  }

  /** Finds the rows that match the search and the filters, and shows the first of them. */
  #filter(): void {
    const words = this.#input.value.toLowerCase().split(/\s+/).filter(Boolean)
    const active = this.#selects.filter(({ value }) => value !== '')
    this.#matches = this.#order.filter(
      row =>
        active.every(({ dataset, value }) => row.dataset[dataset.facet ?? ''] === value) &&
        words.every(word => this.#textOf(row).includes(word)),
    )
    this.#shown = 200
    this.#show()
  }

  #showMore(all: boolean): void {
    const firstNew = this.#matches[this.#shown]
    this.#shown = all ? this.#matches.length : this.#shown + 200
    this.#show()
    // The pressed button has moved or is hidden: the focus goes to the row where the reader goes on.
    firstNew?.setAttribute('tabindex', '-1')
    firstNew?.focus({ preventScroll: true })
  }

  /** Puts the rows to show into the document, and says how many there are. */
  #show(): void {
    const rows = this.#matches.slice(0, this.#shown)
    for (const row of rows) addCopyButton(row)
    this.#body.replaceChildren(...rows)
    const { format } = new Intl.NumberFormat('en-US')
    const [all, matches] = [format(this.#all.length), format(this.#matches.length)]
    const output = this.section.querySelector('output')
    const found = matches === all ? all : `${matches} of ${all}`
    const shown = rows.length < this.#matches.length ? `, ${format(rows.length)} of them shown` : ''
    if (output) output.textContent = `${found} ${output.dataset.count}${shown}`
    const left = this.#matches.length - rows.length
    for (const button of this.#moreButtons()) {
      button.textContent =
        button.dataset.more === 'all' ? `Show all ${matches}` : `Show ${format(Math.min(200, left))} more`
      if (button.parentElement) button.parentElement.hidden = left === 0
    }
  }

  /** Makes the head of a column a button that sorts by this column. `place` counts columns from 0. */
  #makeSortable(head: HTMLElement, place: number): void {
    const button = document.createElement('button')
    button.type = 'button'
    button.append(...head.childNodes)
    head.append(button)
    button.addEventListener('click', () => {
      const sorted = head.getAttribute('aria-sort')
      // The first click sorts numbers from the largest down, and names from the first on.
      const ascending = sorted === null ? !head.classList.contains('n') : sorted !== 'ascending'
      for (const other of head.parentElement?.children ?? []) other.removeAttribute('aria-sort')
      head.setAttribute('aria-sort', ascending ? 'ascending' : 'descending')
      this.#sort(place, ascending)
    })
  }

  #sort(place: number, ascending: boolean): void {
    const keyOf = ({ children }: HTMLElement) => {
      const cell = children[place] as HTMLElement | undefined
      return cell?.dataset.v ?? (cell?.querySelector('.none') ? '' : (cell?.textContent ?? ''))
    }
    const { compare } = new Intl.Collator('en', { numeric: true })
    const keyed = this.#all.map(row => {
      const key = keyOf(row)
      return { row, key, value: Number(key) }
    })
    keyed.sort((a, b) => {
      // Rows without a value come last in both directions.
      if (!a.key || !b.key) return Number(!a.key) - Number(!b.key)
      const difference = a.value - b.value
      const compared = Number.isNaN(difference) ? compare(a.key, b.key) : difference
      return ascending ? compared : -compared
    })
    this.#order = keyed.map(({ row }) => row)
    this.#filter()
  }
}

/** Adds a button that copies the remedy to a row that has one, unless the row has the button already. */
function addCopyButton(row: HTMLElement): void {
  const pre = row.querySelector('pre')
  if (!pre || row.querySelector('.copy')) return
  const name = row.querySelector('.name')?.textContent ?? 'the deployment'
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'copy'
  button.textContent = 'Copy'
  button.setAttribute('aria-label', `Copy the remedy of ${name}`)
  button.addEventListener('click', () => void copyRemedy(pre, button))
  pre.after(button)
}

/** Copies a remedy, and says so on the button and to screen readers. */
async function copyRemedy(pre: HTMLElement, button: HTMLElement): Promise<void> {
  const say = (word: string, sentence: string) => {
    button.textContent = word
    const status = document.getElementById('said')
    if (status) status.textContent = sentence
  }
  try {
    await navigator.clipboard.writeText(pre.textContent ?? '')
    say('Copied', 'The remedy is copied.')
  } catch {
    // Without access to the clipboard the remedy is selected, so that the reader can copy it.
    getSelection()?.selectAllChildren(pre)
    say('Selected', 'The remedy is selected: copy it with Control C or Command C.')
  }
  setTimeout(() => say('Copy', ''), 2000)
}

/** Makes the lists searchable, and connects the links and printing with them. */
function activatePage(): void {
  const lists = [...document.querySelectorAll<HTMLElement>('[data-list]')].flatMap(section => {
    const body = section.querySelector<HTMLElement>('[data-rows]')
    const input = section.querySelector('input')
    return body && input ? [new SearchableList(section, body, input)] : []
  })
  const findings = lists.find(({ section }) => section.id === 'findings')
  // A click on a number of findings shows these findings in their list.
  document.addEventListener('click', event => {
    const link = (event.target as Element).closest<HTMLAnchorElement>('a[data-alike], a[data-name]')
    if (!link || !findings) return
    event.preventDefault()
    const { alike } = link.dataset
    if (alike) findings.filterLike(link.hash.slice(1), alike)
    else findings.search(link.closest('tr')?.querySelector('.name')?.textContent ?? '')
    const head = findings.section.querySelector('h2')
    head?.scrollIntoView()
    head?.focus({ preventScroll: true })
  })
  addEventListener('beforeprint', () => {
    for (const folded of document.querySelectorAll<HTMLDetailsElement>('details[data-print]'))
      folded.open = true
  })
}

/**
 * The script of the page: the source of the class and the functions above, which may use nothing from other files. Each is written
 * under its `name`, as a bundler may have renamed it, or have made the class one without a name.
 */
export const pageScript: string = `${[SearchableList, addCopyButton, copyRemedy, activatePage].map(part => `const ${part.name}=${part}`).join('\n')}
${activatePage.name}()`
