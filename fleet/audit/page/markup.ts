/** HTML or SVG that is safe to write as it is. */
export class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type MarkupPart = Markup | string | number | undefined | false | MarkupPart[]

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** What no text shows and a page may not hold: control characters but tab and line feed. */
const CONTROL_CHARACTERS = /[\p{Cc}--[\t\n]]/gv
/** What changes the direction of the text around it. */
const DIRECTION_MARKS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

const escapeHtml = (text: string) =>
  text
    .toWellFormed()
    .replaceAll(CONTROL_CHARACTERS, '')
    .replaceAll(/[&<>"']/g, character => ENTITIES[character] ?? '')

const renderPart = (part: MarkupPart): string => {
  if (part instanceof Markup) return part.text
  if (Array.isArray(part)) return part.map(renderPart).join('')
  return part === undefined || part === false ? '' : escapeHtml(`${part}`)
}

/** A template of HTML. What stands in its places is written as text, unless it is markup; `undefined` and `false` are nothing. */
export function html(strings: TemplateStringsArray, ...parts: MarkupPart[]): Markup {
  return new Markup(strings.reduce((text, string, n) => text + renderPart(parts[n - 1]) + string))
}

/** Text that others wrote, such as a name or a tag: whatever direction it is written in, it does not change what stands around it. */
export const isolateText = (text: string): Markup => html`<bdi>${text}</bdi>`

/** The same where there is no element to hold it: marks of direction are left out. */
export const withoutDirectionMarks = (text: string): string =>
  text.replaceAll(DIRECTION_MARKS, '').replaceAll(CONTROL_CHARACTERS, ' ')

/** Text to be copied into a terminal: marks of direction stand as their code points, so that what is read is what runs. */
export const showDirectionMarks = (text: string): string =>
  text.replaceAll(
    DIRECTION_MARKS,
    mark => `<U+${(mark.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}>`,
  )

/** At most so many characters of a text. */
export const truncate = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1).toWellFormed()}…` : text
