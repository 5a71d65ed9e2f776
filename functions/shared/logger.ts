import { Logger } from '@aws-lambda-powertools/logger'

const secretKey = /password|secretstring|secretbinary|rotationtoken|verifier/i

/** The last net: a Credential hides its values itself. */
export const logger = new Logger({
  jsonReplacerFn: (key, value) => (secretKey.test(key) ? '***' : value),
})
