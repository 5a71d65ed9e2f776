/** Prints a line to stdout. */
export const say = (line = '') => console.log(line)

/** Prints a text from this column of the current line on, and wraps it to that column where the terminal ends. */
export function sayAt(column: number, text: string): void {
  const room = Math.max(20, (process.stdout.columns ?? Number.POSITIVE_INFINITY) - column - 1)
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > room) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  say(lines.join(`\n${' '.repeat(column)}`))
}
