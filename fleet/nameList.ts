/** Some texts of many, to be read; `count` is of all. */
export type NameList = { count: number; names: string[] }

/** Texts in such a list. */
export const MAX_NAME_COUNT = 50

/** The first fifty of them, each cut to so many characters. */
export const toNameList = (texts: string[], characters: number): NameList => ({
  count: texts.length,
  names: texts.slice(0, MAX_NAME_COUNT).map(text => text.slice(0, characters)),
})
