/** One line of at most `most` characters: what comes from outside may have any length, and line breaks. */
export function shorten(text: string, most = 300): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > most ? `${line.slice(0, most - 3)}...` : line
}
