/** What the value of a tag may not have: Secrets Manager and Parameter Store take letters, spaces, numbers and these. */
const FORBIDDEN = /[^\p{L}\p{Z}\p{N}_.:/=+\-@]/u

/** Characters of the longest value. */
export const LONGEST_TAG = 256

/** The first character of a text that no tag can hold. */
export const untaggable = (text: string): string | undefined => FORBIDDEN.exec(text)?.[0]

/** What a tag takes, for a person. */
export const taggable = 'letters, digits, spaces and _ . : / = + - @'
