import { sanitize } from './output.ts'

/** The content of a cell; undefined is an empty cell. */
export type CsvCell = string | number | boolean | undefined

/**
 * A text that a spreadsheet would read as a formula: it begins with one of these signs, after any white space and invisible
 * characters. The text has to be normalized first (NFKC), so that a full-width sign counts as well. U+2212 is the minus sign.
 *
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 */
const FORMULA_START = /^[\s\p{Cf}]*[=+\-@\u2212]/u

/**
 * A CSV file by RFC 4180 (UTF-8, lines end with CR LF): the head, then the rows. A text is always in quotes and on one line. A
 * text that a spreadsheet would run as a formula gets an apostrophe in front. A number gets neither, not even a negative one.
 */
export const toCsv = (head: string[], rows: Iterable<CsvCell[]>): string =>
  [head, ...rows].map(row => `${row.map(cellText).join(',')}\r\n`).join('')

function cellText(cell: CsvCell): string {
  if (cell === undefined || (typeof cell === 'number' && !Number.isFinite(cell))) return ''
  if (typeof cell !== 'string') return String(cell)
  const text = sanitize(cell)
  // In some spreadsheets a tab or a line break begins a formula as well: `sanitize` has made them spaces.
  const safe = FORMULA_START.test(text.normalize('NFKC')) ? `'${text}` : text
  return `"${safe.replaceAll('"', '""')}"`
}
