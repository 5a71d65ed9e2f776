import { Logger } from '@aws-lambda-powertools/logger'

/** The keys whose values are never logged. */
const SECRET_KEY_PATTERN = /password|secretstring|secretbinary|rotationtoken|verifier/i

/**
 * The logger of every function. It masks the values of keys that may hold a secret, as a second protection: a Credential already
 * hides its own values when it is written as JSON.
 */
export const logger = new Logger({
  jsonReplacerFn: (key, value) => (SECRET_KEY_PATTERN.test(key) ? '***' : value),
})
