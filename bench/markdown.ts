/** A whole number with its thousands apart, or one with a decimal. */
export const formatCount = (value: number) =>
  Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(1)
/** Whole milliseconds. */
export const formatMs = (value: number) => `${value.toFixed(0)} ms`
/** Of a number of bytes. */
export const formatMebibytes = (value: number) => `${Math.round(value / 2 ** 20)} MiB`

/** The first column is text, the others are numbers. Padded as Biome, which also checks these files, wants it. */
export function formatTable(head: string[], rows: (string | number)[][]): string {
  const texts = [head, ...rows].map(cells => cells.map(String))
  const widths = head.map((_, i) => Math.max(3, ...texts.map(cells => cells[i]?.length ?? 0)))
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  const [first = '', ...others] = texts.map(cells =>
    line(cells.map((text, i) => (i ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0)))),
  )
  const rule = widths.map((width, i) => (i ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
  return [first, line(rule), ...others].join('\n')
}
