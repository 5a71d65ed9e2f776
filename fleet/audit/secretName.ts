/** The word by which the end of a name says that a secret is in it: `/shop/DB_PASSWORD`, and not `/shop/password-length`. */
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
