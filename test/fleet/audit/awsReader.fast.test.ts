import { expect, test } from 'vitest'
import { AwsReader } from '../../../fleet/audit/collect/awsReader.ts'

test.each([
  [{ name: 'Unknown', $metadata: { httpStatusCode: 404 } }, 'HTTP 404, and no error is named'],
  [{ name: 'UnknownError', $metadata: {} }, 'HTTP without a status, and no error is named'],
  [{ name: 'AuthorizationError' }, 'AccessDenied'],
  [{ name: 'ValidationException' }, 'ValidationException'],
])('says why a fact could not be read: %o', async (error, why) => {
  const kind = { service: 'access-analyzer', operation: 'ListAnalyzers', region: 'eu-west-1' } as const
  const refused = async () => {
    throw Object.assign(new Error('a text of others'), error)
  }
  expect(await new AwsReader('eu-west-1').readFact(kind, refused)).toEqual({
    unread: `Access Analyzer ListAnalyzers: ${why}`,
  })
})
