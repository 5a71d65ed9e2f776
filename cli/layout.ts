import { stripVTControlCharacters } from 'node:util'

/** How many columns a text takes; the codes for colours take none. */
const columnCount = (text: string) => stripVTControlCharacters(text).length

/**
 * Wraps a text into lines of at most `width` columns, between words. A word that is longer than a line is broken, unless it has
 * codes for colours.
 * @param indent blanks before each line but the first
 */
export function wrapText(text: string, width: number, indent = 0): string[] {
  const lines: string[] = []
  const [lead = ''] = /^ */.exec(text) ?? []
  let line = lead
  for (const word of text.slice(lead.length).split(' ')) {
    const longer = line === lead ? line + word : `${line} ${word}`
    if (line.trim() !== '' && columnCount(longer) > width) {
      lines.push(line)
      line = ' '.repeat(indent) + word
    } else line = longer
    while (columnCount(line) > width && !line.includes('\u001b')) {
      lines.push(line.slice(0, width))
      line = ' '.repeat(indent) + line.slice(width)
    }
  }
  return [...lines, line]
}

/**
 * The lines of a table. Each column is as wide as its widest cell; if the table is wider than `width`, the widest columns shrink
 * and their cells wrap.
 */
export function tableLines(head: string[], rows: string[][], width: number): string[] {
  const all = [head, ...rows]
  const widths = head.map((_, n) => Math.max(...all.map(row => columnCount(row[n] ?? ''))))
  const gaps = 2 * (head.length - 1)
  const sum = () => widths.reduce((total, width) => total + width, gaps)
  for (let widest = Math.max(...widths); sum() > width && widest > 4; widest = Math.max(...widths))
    widths[widths.indexOf(widest)] = widest - 1
  return all.flatMap(row => {
    const cells = widths.map((width, n) => wrapText(row[n] ?? '', width))
    const height = Math.max(...cells.map(lines => lines.length))
    return Array.from({ length: height }, (_, i) =>
      cells
        .map((lines, n) => {
          const text = lines[i] ?? ''
          return text + ' '.repeat(Math.max(0, (widths[n] ?? 0) - columnCount(text)))
        })
        .join('  ')
        .trimEnd(),
    )
  })
}
