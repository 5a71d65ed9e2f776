import { sanitize } from './output.ts'

/** What a cell holds; undefined is an empty cell. */
export type CsvCell = string | number | boolean | undefined

/**
 * What a spreadsheet takes for the beginning of a formula, once compatible forms such as a full-width sign are made one:
 * it may stand after white space and after characters that nobody sees. U+2212 is the minus sign.
 *
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 */
const FORMULA_START = /^[\s\p{Cf}]*[=+\-@\u2212]/u

/**
 * Rows under a head as a table that spreadsheets and programs read: RFC 4180, in UTF-8, every line ended by CR and LF.
 * A text is always in quotes and on one line; one that a spreadsheet would run as a formula has an apostrophe in front.
 * A number is a number, also a negative one.
 */
export const toCsv = (head: string[], rows: Iterable<CsvCell[]>): string =>
  [head, ...rows].map(row => `${row.map(cellText).join(',')}\r\n`).join('')

function cellText(cell: CsvCell): string {
  if (cell === undefined || (typeof cell === 'number' && !Number.isFinite(cell))) return ''
  if (typeof cell !== 'string') return String(cell)
  const text = sanitize(cell)
  // A tab or the end of a line begins a formula in some spreadsheets, and is a space by now.
  const safe = FORMULA_START.test(text.normalize('NFKC')) ? `'${text}` : text
  return `"${safe.replaceAll('"', '""')}"`
}
