/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** A list whose rows are taken out, and the first matches put back. What is named `data-...` here is in facets.ts. */
class SearchableList {
  readonly section: HTMLElement
  readonly #body: HTMLElement
  readonly #input: HTMLInputElement
  readonly #selects: HTMLSelectElement[]
  readonly #all: HTMLElement[]
  /** All of them, as they are sorted. */
  #order: HTMLElement[]
  #matches: HTMLElement[] = []
  #shown = 200
  /** What each row says, in small letters. Read when first searched. */
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
    input.addEventListener('input', () => this.#narrow())
    for (const select of this.#selects) select.addEventListener('change', () => this.#narrow())
    for (const button of this.#buttons())
      button.addEventListener('click', () => this.#forward(button.dataset.more === 'all'))
    this.#narrow()
    section.classList.add('ready')
  }

  /** Shows what has these words, whatever else it is. */
  search(words: string): void {
    this.#ask(words)
    this.#narrow()
  }

  /** Shows what is alike to one row in one choice, whatever else it is. */
  chooseAs(id: string, facet: string): void {
    this.#ask('')
    const row = this.#all.find(row => row.id === id)
    const select = this.#selects.find(({ dataset }) => dataset.facet === facet)
    if (select) select.value = row?.dataset[facet] ?? ''
    this.#narrow()
  }

  /** Sets the search to these words, and every choice to all. */
  #ask(words: string): void {
    for (const select of this.#selects) select.value = ''
    this.#input.value = words
  }

  #buttons(): HTMLElement[] {
    return [...this.section.querySelectorAll<HTMLElement>('[data-more]')]
  }

  #textOf(row: HTMLElement): string {
    this.#texts ??= new Map(this.#all.map(each => [each, (each.textContent ?? '').toLowerCase()]))
    return this.#texts.get(row) ?? ''
  }

  #narrow(): void {
    const words = this.#input.value.toLowerCase().split(/\s+/).filter(Boolean)
    const wanted = this.#selects.filter(({ value }) => value !== '')
    this.#matches = this.#order.filter(
      row =>
        wanted.every(({ dataset, value }) => row.dataset[dataset.facet ?? ''] === value) &&
        words.every(word => this.#textOf(row).includes(word)),
    )
    this.#shown = 200
    this.#show()
  }

  #forward(every: boolean): void {
    const next = this.#matches[this.#shown]
    this.#shown = every ? this.#matches.length : this.#shown + 200
    this.#show()
    // To where reading goes on, as the button that was pressed has moved or gone.
    next?.setAttribute('tabindex', '-1')
    next?.focus({ preventScroll: true })
  }

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
    for (const button of this.#buttons()) {
      button.textContent =
        button.dataset.more === 'all' ? `Show all ${matches}` : `Show ${format(Math.min(200, left))} more`
      if (button.parentElement) button.parentElement.hidden = left === 0
    }
  }

  #makeSortable(head: HTMLElement, place: number): void {
    const button = document.createElement('button')
    button.type = 'button'
    button.append(...head.childNodes)
    head.append(button)
    button.addEventListener('click', () => {
      const sorted = head.getAttribute('aria-sort')
      // Numbers begin with the largest, names with the first.
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
      // What is not known comes last, whichever way it is sorted.
      if (!a.key || !b.key) return Number(!a.key) - Number(!b.key)
      const difference = a.value - b.value
      const compared = Number.isNaN(difference) ? compare(a.key, b.key) : difference
      return ascending ? compared : -compared
    })
    this.#order = keyed.map(({ row }) => row)
    this.#narrow()
  }
}

/** Gives a remedy that is shown for the first time the button that copies it. */
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

async function copyRemedy(pre: HTMLElement, button: HTMLElement): Promise<void> {
  const say = (word: string, sentence: string) => {
    button.textContent = word
    const said = document.getElementById('said')
    if (said) said.textContent = sentence
  }
  try {
    await navigator.clipboard.writeText(pre.textContent ?? '')
    say('Copied', 'The remedy is copied.')
  } catch {
    // Where the clipboard is out of reach, what is selected can be copied by hand.
    getSelection()?.selectAllChildren(pre)
    say('Selected', 'The remedy is selected: copy it with Control C or Command C.')
  }
  setTimeout(() => say('Copy', ''), 2000)
}

function activatePage(): void {
  const lists = [...document.querySelectorAll<HTMLElement>('[data-list]')].flatMap(section => {
    const body = section.querySelector<HTMLElement>('[data-rows]')
    const input = section.querySelector('input')
    return body && input ? [new SearchableList(section, body, input)] : []
  })
  const findings = lists.find(({ section }) => section.id === 'findings')
  // A count leads to what it counts.
  document.addEventListener('click', event => {
    const link = (event.target as Element).closest<HTMLAnchorElement>('a[data-alike], a[data-name]')
    if (!link || !findings) return
    event.preventDefault()
    const { alike } = link.dataset
    if (alike) findings.chooseAs(link.hash.slice(1), alike)
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
 * What the page does in a browser, as the source that is written into it: all of it is in this file, and may use nothing
 * from another. A bundler may have renamed what is here, or taken a class's name from it.
 */
export const pageScript: string = `${[SearchableList, addCopyButton, copyRemedy, activatePage].map(part => `const ${part.name}=${part}`).join('\n')}
${activatePage.name}()`
