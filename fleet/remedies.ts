/** What to do about an error of a rotation, a sentence, by its name. */
export const remedyOf = (_error: string): string | undefined => undefined
