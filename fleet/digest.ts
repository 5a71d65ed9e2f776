import { createHash } from 'node:crypto'

/** The SHA-256 of a text, in hexadecimal digits. */
export const digest = (text: string) => createHash('sha256').update(text).digest('hex')

/**
 * In an order that is another one in each run: of what there is no room for, or may fail for good, the same would otherwise always
 * come last.
 */
export function shuffledByRun<Item>(items: Item[], run: string, nameOf: (item: Item) => string): Item[] {
  return items
    .map(item => ({ item, lot: digest(`${run} ${nameOf(item)}`) }))
    .sort((a, b) => (a.lot < b.lot ? -1 : 1))
    .map(({ item }) => item)
}

/** A key of at most `most` characters. Two long ones that begin alike stay two. */
export const boundedKey = (text: string, most: number) =>
  text.length > most ? `${text.slice(0, most - 65)} ${digest(text)}` : text
