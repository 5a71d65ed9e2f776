/** The first texts of a list, for a person to read. `count` is how many texts the whole list has. */
export type NameList = { count: number; names: string[] }

/** How many texts a NameList has at most. */
export const MAX_NAME_COUNT = 50

/** A list of the first 50 texts, each cut to `characters`. */
export const toNameList = (texts: string[], characters: number): NameList => ({
  count: texts.length,
  names: texts.slice(0, MAX_NAME_COUNT).map(text => text.slice(0, characters)),
})
