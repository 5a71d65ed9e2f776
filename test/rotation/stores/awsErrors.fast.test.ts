import { expect, test } from 'vitest'
import { translate } from '../../../rotation/stores/awsErrors.ts'

test.each([
  'ThrottlingException',
  'InternalFailure',
  'InternalError',
  'InternalServerError',
  'InternalServiceErrorException',
  'ServiceUnavailable',
])('what a service answers by %s may pass: Throttled', name => {
  expect(translate('RDS', Object.assign(new Error('no'), { name, $fault: 'server' }))).toMatchObject({
    name: 'Throttled',
    message: `RDS: ${name}`,
  })
})

test.each(['ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'EPIPE', 'ENOTFOUND'])(
  'no answer for %s may pass: Throttled',
  code => {
    expect(translate('RDS', Object.assign(new Error('no'), { code }))).toMatchObject({
      name: 'Throttled',
      message: `RDS: ${code}`,
    })
  },
)
