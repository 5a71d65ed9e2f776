import { describe, expect, test } from 'vitest'
import { explainError } from '../../cli/awsErrors.ts'
import { CommandError } from '../../cli/exit.ts'
import { callAws } from '../../rotation/callAws.ts'

/** An error as the SDK throws it, marked by the client. */
const failing = (name: string, message = '', more: object = {}) =>
  Object.assign(new Error(message), { name, service: 'Parameter Store', operation: 'GetParameter', ...more })
const answered = { $fault: 'client' }

test.each([
  ['AccessDeniedException', 3, 'Parameter Store refuses GetParameter: no'],
  ['ExpiredTokenException', 3, 'the credentials have expired'],
  ['RequestExpired', 3, 'the credentials have expired'],
  ['UnrecognizedClientException', 3, 'does not know these credentials'],
  ['ThrottlingException', 1, 'throttled the call'],
  ['InternalServerError', 1, 'failed on its side'],
  ['ValidationException', 1, 'Parameter Store: GetParameter: ValidationException: no'],
])('%s', (name, code, says) => {
  expect(explainError(failing(name, 'no', answered))).toMatchObject({
    code,
    message: expect.stringContaining(says),
  })
})

test.each([
  ['Error', { code: 'ECONNREFUSED' }, 1, 'Parameter Store does not answer (ECONNREFUSED)'],
  ['Error', { code: 'ENOTFOUND' }, 1, 'does not answer (ENOTFOUND)'],
  ['TimeoutError', {}, 1, 'does not answer (TimeoutError)'],
  ['CredentialsProviderError', {}, 3, 'there are no credentials for AWS'],
  ['CredentialsProviderError', { profile: 'ops' }, 3, 'the profile ops does not exist'],
])('%s %j', (name, more, code, says) => {
  expect(explainError(failing(name, 'x', more))).toMatchObject({
    code,
    message: expect.stringContaining(says),
  })
})

describe.each([
  [
    'The SSO session associated with this profile has expired. To refresh it run aws sso login',
    3,
    'have expired',
  ],
  ['Token is expired. To refresh this SSO session run aws sso login', 3, 'have expired'],
])('%s', (message, code, says) => {
  test('is a matter of logging in again', () => {
    expect(explainError(failing('CredentialsProviderError', message))).toMatchObject({
      code,
      message: expect.stringContaining(says),
      remedy: expect.stringContaining('aws sso login'),
    })
  })
})

test.each([
  [
    'Unknown',
    'UnknownError',
    'Parameter Store answered GetParameter with an error that has no name (HTTP 502)',
  ],
  ['ValidationException', 'no', 'Parameter Store: GetParameter: ValidationException: no'],
])('an unknown error %s is reported with what to do', (name, message, says) => {
  const told = explainError(failing(name, message, { ...answered, $metadata: { httpStatusCode: 502 } }))
  expect(told).toMatchObject({ message: says, remedy: expect.stringMatching(/repeat the command\.$/) })
})

test.each([
  ['AccessDeniedException', 3, 'DynamoDB refuses a call: no'],
  ['ProvisionedThroughputExceededException', 1, 'DynamoDB throttled the call'],
  ['ThrottlingException', 1, 'DynamoDB throttled the call, or failed on its side (ThrottlingException)'],
  ['ValidationException', 1, 'DynamoDB: a call: ValidationException: '],
])(
  'an error %s that callAws has translated is explained like the one of the SDK',
  async (name, code, says) => {
    const translated = await callAws('DynamoDB', () => Promise.reject(failing(name, 'no', answered))).catch(
      error => error,
    )
    expect(explainError(translated)).toMatchObject({ code, message: expect.stringContaining(says) })
  },
)

test('any other error is thrown unchanged', () => {
  for (const error of [new TypeError('x'), 'text', new CommandError(5, 'x')])
    expect(explainError(error)).toBe(error)
})
