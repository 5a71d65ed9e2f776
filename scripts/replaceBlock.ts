/**
 * Replaces the only part of a page that matches a pattern.
 * @throws Error if no part matches or several do, since the page would otherwise become outdated without notice
 */
export function replaceBlock(page: string, pattern: RegExp, block: string): string {
  const found = [...page.matchAll(new RegExp(pattern, 'g'))]
  if (found.length !== 1) throw new Error(`${found.length} blocks match ${pattern}, there should be one`)
  return page.replace(pattern, () => block)
}
