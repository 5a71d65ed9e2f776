import { createHash } from 'node:crypto'

/** The SHA-256 of a text, in hexadecimal digits. */
export const digest = (text: string) => createHash('sha256').update(text).digest('hex')

/** A key of at most `most` characters. Two long ones that begin alike stay two. */
export const keyOf = (text: string, most: number) =>
  text.length > most ? `${text.slice(0, most - 65)} ${digest(text)}` : text
