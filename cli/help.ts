import { Help } from 'commander'

/** Columns that a description needs beside its term. With fewer, the description goes under the term. */
const MIN_DESCRIPTION_WIDTH = 30
/** Blanks before a description that is under its term. */
const DESCRIPTION_INDENT = 6

/**
 * Formats one line of --help, for commander's `configureHelp`: a term, such as an option, and its description, side by side or,
 * on a narrow terminal, one under the other.
 * @param termWidth columns of the longest term
 */
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
