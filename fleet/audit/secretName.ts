/**
 * The word with which a name ends as names of secrets do: `/shop/DB_PASSWORD` ends with `password`, `/shop/password-length` does
 * not. Case, separators and a number at the end make no difference.
 * @param words with hyphens between their parts, such as `api-key`
 */
export function secretWordIn(name: string, words: string[]): string | undefined {
  const last = name.split('/').at(-1) ?? ''
  const parts = last
    .replaceAll(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$3-$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean)
  const end = `-${parts.join('-').replace(/-?\d+$/, '')}`
  return words.find(word => end.endsWith(`-${word.toLowerCase()}`))
}
