/** HTML or SVG that is written as it is. Text of others has to be escaped in it, as `html` does. */
export class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** What a template can hold: markup, text that has to be escaped, nothing, or a list of these. */
export type MarkupPart = Markup | string | number | undefined | false | MarkupPart[]

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Control characters except tab and line feed: they are not shown, and HTML does not allow them. */
const CONTROL_CHARACTERS = /[\p{Cc}--[\t\n]]/gv
/** Unicode's characters that change the direction of the text around them. */
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

/** A template tag for HTML. Its values are escaped, unless they are Markup; `undefined` and `false` are left out. */
export function html(strings: TemplateStringsArray, ...parts: MarkupPart[]): Markup {
  return new Markup(strings.reduce((text, string, n) => text + renderPart(parts[n - 1]) + string))
}

/** Text of others, such as a name or a tag, in an element that keeps its direction from changing the text around it. */
export const isolateText = (text: string): Markup => html`<bdi>${text}</bdi>`

/** Text of others for a place that cannot hold an element, such as an option: it is without characters that change direction. */
export const withoutDirectionMarks = (text: string): string =>
  text.replaceAll(DIRECTION_MARKS, '').replaceAll(CONTROL_CHARACTERS, ' ')

/**
 * Text that is to be copied into a terminal. Characters that change direction are written as their code points, so that the text
 * runs as it looks.
 */
export const showDirectionMarks = (text: string): string =>
  text.replaceAll(
    DIRECTION_MARKS,
    mark => `<U+${(mark.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}>`,
  )

/** The text, cut to at most `most` characters; a cut one ends with `…`. */
export const truncate = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1).toWellFormed()}…` : text
