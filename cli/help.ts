import { Help } from 'commander'

/** Fewer columns than this beside its term, and a description stands under it. */
const MIN_DESCRIPTION_WIDTH = 30
const DESCRIPTION_INDENT = 6

/** A term of a command's help, and what it is: side by side, unless the terminal has no room for that. */
export function formatItem(
  this: Help,
  term: string,
  termWidth: number,
  description: string,
  helper: Help,
): string {
  const width = this.helpWidth ?? 80
  if (!description || width - termWidth - 4 >= MIN_DESCRIPTION_WIDTH)
    return Help.prototype.formatItem.call(this, term, termWidth, description, helper)
  const text = helper
    .boxWrap(description, width - DESCRIPTION_INDENT)
    .replaceAll('\n', `\n${' '.repeat(DESCRIPTION_INDENT)}`)
  return `  ${term}\n${' '.repeat(DESCRIPTION_INDENT)}${text}`
}
