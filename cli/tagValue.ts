/** What the value of a tag may not have: Secrets Manager and Parameter Store take letters, spaces, numbers and these. */
const FORBIDDEN_CHARACTER = /[^\p{L}\p{Z}\p{N}_.:/=+\-@]/u

/** Characters of the longest value. */
export const MAX_TAG_VALUE_LENGTH = 256

/** The first character of a text that no tag can hold. */
export const forbiddenCharacterIn = (text: string): string | undefined => FORBIDDEN_CHARACTER.exec(text)?.[0]

/** What a tag takes, for a person. */
export const ALLOWED_CHARACTERS_TEXT = 'letters, digits, spaces and _ . : / = + - @'
