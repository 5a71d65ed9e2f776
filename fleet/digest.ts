import { createHash } from 'node:crypto'

/** The SHA-256 of a text, in hexadecimal digits. */
export const digest = (text: string) => createHash('sha256').update(text).digest('hex')

/**
 * The items in an order that differs from run to run. A run may have no room for the last items, and the first ones may fail in
 * every run: with a fixed order the same items would always be left out.
 * @param run the run's name, which decides on the order
 */
export function shuffledByRun<Item>(items: Item[], run: string, nameOf: (item: Item) => string): Item[] {
  return items
    .map(item => ({ item, sortKey: digest(`${run} ${nameOf(item)}`) }))
    .sort((a, b) => (a.sortKey < b.sortKey ? -1 : 1))
    .map(({ item }) => item)
}

/** The length of a digest, and of the space before it. */
const DIGEST_SUFFIX_LENGTH = 65

/**
 * A key of at most `most` characters: the text itself, or the beginning of a longer text with the text's digest. Two long texts
 * that begin alike have different keys.
 */
export const boundedKey = (text: string, most: number) =>
  text.length > most ? `${text.slice(0, most - DIGEST_SUFFIX_LENGTH)} ${digest(text)}` : text
