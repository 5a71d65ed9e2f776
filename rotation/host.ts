import { isIP } from 'node:net'

/** As many characters as a name in DNS may have. */
const MAX_HOST_LENGTH = 253

/** Letters of any script, as a name may be in one: Node puts it into the form that DNS wants. */
const HOST_NAME = /^[\p{L}\p{M}\p{N}_-]+(\.[\p{L}\p{M}\p{N}_-]+)*\.?$/u

/**
 * Whether a text is the name or the address of a host and nothing else: no scheme, user, port or path, no blank, no
 * brackets. What is not may hold anything, a password too, so it is never repeated.
 */
export const isHost = (text: string): boolean =>
  isIP(text) !== 0 || (text.length <= MAX_HOST_LENGTH && HOST_NAME.test(text))
