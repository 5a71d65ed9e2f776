/** Some texts of many, to be read; `count` is of all. */
export type Names = { count: number; names: string[] }

/** Texts in such a list. */
export const NAMED = 50

/** The first fifty of them, each cut to so many characters. */
export const readable = (texts: string[], characters: number): Names => ({
  count: texts.length,
  names: texts.slice(0, NAMED).map(text => text.slice(0, characters)),
})
