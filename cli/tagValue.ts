/**
 * A character that the value of a tag may not have: AWS allows letters, spaces, numbers and these signs.
 * @see https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
 */
const FORBIDDEN_CHARACTER = /[^\p{L}\p{Z}\p{N}_.:/=+\-@]/u

/** The first character of a text that the value of a tag may not have; undefined if there is none. */
export const forbiddenCharacterIn = (text: string): string | undefined => FORBIDDEN_CHARACTER.exec(text)?.[0]

/** The characters that a tag's value may have, for error messages. */
export const ALLOWED_CHARACTERS_TEXT = 'letters, digits, spaces and _ . : / = + - @'
