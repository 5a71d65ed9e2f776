import { Logger } from '@aws-lambda-powertools/logger'

const SECRET_KEY_PATTERN = /password|secretstring|secretbinary|rotationtoken|verifier/i

/** The last net: a Credential hides its values itself. */
export const logger = new Logger({
  jsonReplacerFn: (key, value) => (SECRET_KEY_PATTERN.test(key) ? '***' : value),
})
