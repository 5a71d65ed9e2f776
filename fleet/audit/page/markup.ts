/** HTML or SVG that is safe to write as it is. */
export class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type Part = Markup | string | number | undefined | false | Part[]

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** What no text shows and a page may not hold: control characters but tab and line feed. */
const controls = /[\p{Cc}--[\t\n]]/gv
/** What changes the direction of the text around it. */
const directions = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

const escaped = (text: string) =>
  text
    .toWellFormed()
    .replaceAll(controls, '')
    .replaceAll(/[&<>"']/g, character => entities[character] ?? '')

const written = (part: Part): string => {
  if (part instanceof Markup) return part.text
  if (Array.isArray(part)) return part.map(written).join('')
  return part === undefined || part === false ? '' : escaped(`${part}`)
}

/** A template of HTML. What stands in its places is written as text, unless it is markup; `undefined` and `false` are nothing. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Markup {
  return new Markup(strings.reduce((text, string, n) => text + written(parts[n - 1]) + string))
}

/** Text that others wrote, such as a name or a tag: whatever direction it is written in, it does not change what stands around it. */
export const outside = (text: string): Markup => html`<bdi>${text}</bdi>`

/** The same where there is no element to hold it: marks of direction are left out. */
export const undirected = (text: string): string => text.replaceAll(directions, '').replaceAll(controls, ' ')

/** Text to be copied into a terminal: marks of direction stand as their code points, so that what is read is what runs. */
export const candid = (text: string): string =>
  text.replaceAll(
    directions,
    mark => `<U+${(mark.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}>`,
  )

/** At most so many characters of a text. */
export const cut = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1).toWellFormed()}…` : text
