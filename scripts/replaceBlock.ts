/** `page` with the one part of it that matches made anew. @throws if there is none, or several: it would go stale unseen */
export function replaceBlock(page: string, pattern: RegExp, block: string): string {
  const found = [...page.matchAll(new RegExp(pattern, 'g'))]
  if (found.length !== 1) throw new Error(`${found.length} blocks match ${pattern}, there should be one`)
  return page.replace(pattern, () => block)
}
