import { createHash } from 'node:crypto'

/** The SHA-256 of a text, in hexadecimal digits. */
export const digest = (text: string) => createHash('sha256').update(text).digest('hex')
