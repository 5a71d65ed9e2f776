/** A whole number with commas between its thousands; any other number with one decimal. */
export const formatCount = (value: number) =>
  Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(1)

/** Milliseconds, without decimals. */
export const formatMs = (value: number) => `${value.toFixed(0)} ms`

/** A number of bytes in whole mebibytes. */
export const formatMebibytes = (value: number) => `${Math.round(value / 2 ** 20)} MiB`

/** A table in Markdown. The first column is aligned as text, the others as numbers. Cells are padded as Biome formats tables. */
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
