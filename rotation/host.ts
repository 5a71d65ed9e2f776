import { isIP } from 'node:net'

/**
 * The most characters that a name in DNS may have. The limit of 255 octets counts two that the text does not have.
 * https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4
 */
const MAX_HOST_LENGTH = 253

/** A host name. Letters may be of any script, as Node converts them for DNS. */
const HOST_NAME = /^[\p{L}\p{M}\p{N}_-]+(\.[\p{L}\p{M}\p{N}_-]+)*\.?$/u

/**
 * Whether a text is the name or the IP address of a host and nothing else: no scheme, user, port, path, blank or brackets. A text
 * that is no host must not be shown, as it may be a URL with a password in it.
 */
export const isHost = (text: string): boolean =>
  isIP(text) !== 0 || (text.length <= MAX_HOST_LENGTH && HOST_NAME.test(text))
