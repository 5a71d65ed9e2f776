/** Makes one line of at most `maxLength` characters out of a text from outside, which may be long and have line breaks. */
export function shorten(text: string, maxLength = 300): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > maxLength ? `${line.slice(0, maxLength - 3)}...` : line
}
