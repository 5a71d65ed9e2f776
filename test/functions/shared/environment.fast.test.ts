import { expect, test } from 'vitest'
import { parseEnvironment } from '../../../functions/shared/environment.ts'
import * as errors from '../../../rotation/errors.ts'

const unset = { strategy: undefined, testQuery: undefined }

test('nothing set', () => {
  expect(parseEnvironment({})).toEqual({
    caFile: '/var/runtime/ca-cert.pem',
    executions: undefined,
    servers: '',
    defaults: { ...unset, grace: 86_400, password: {} },
  })
})

test('all set', () => {
  const variables = {
    KEYTURN_CA_FILE: '/opt/ca.pem',
    KEYTURN_EXECUTIONS: 'arn:aws:states:eu-west-1:123456789012:execution:rotate',
    KEYTURN_GRACE: '2h',
    KEYTURN_TEST_QUERY_MAY_WRITE: 'true',
    PASSWORD_LENGTH: '40',
    EXCLUDE_CHARACTERS: '%',
    EXCLUDE_NUMBERS: 'true',
    EXCLUDE_PUNCTUATION: 'false',
    EXCLUDE_UPPERCASE: 'true',
    EXCLUDE_LOWERCASE: 'false',
    REQUIRE_EACH_INCLUDED_TYPE: 'false',
    PATH: '/bin',
    strategy: 'single-user',
  }
  expect(parseEnvironment(variables)).toEqual({
    caFile: '/opt/ca.pem',
    executions: 'arn:aws:states:eu-west-1:123456789012:execution:rotate',
    servers: 'arn:aws:states:eu-west-1:123456789012:stateMachine:rotate-server',
    testMayWrite: true,
    defaults: {
      ...unset,
      grace: 7200,
      password: {
        PASSWORD_LENGTH: 40,
        EXCLUDE_CHARACTERS: '%',
        EXCLUDE_NUMBERS: true,
        EXCLUDE_PUNCTUATION: false,
        EXCLUDE_UPPERCASE: true,
        EXCLUDE_LOWERCASE: false,
        REQUIRE_EACH_INCLUDED_TYPE: false,
      },
    },
  })
})

test.each([
  'KEYTURN_CA_FILE',
  'KEYTURN_EXECUTIONS',
  'KEYTURN_GRACE',
  'KEYTURN_TEST_QUERY_MAY_WRITE',
  'PASSWORD_LENGTH',
  'EXCLUDE_CHARACTERS',
  'EXCLUDE_NUMBERS',
])('%s empty counts as unset', name => {
  expect(parseEnvironment({ [name]: '' })).toEqual(parseEnvironment({}))
})

test('never closes nothing', () => {
  expect(parseEnvironment({ KEYTURN_GRACE: 'never' }).defaults.grace).toBe('never')
})

test.each([
  ['KEYTURN_GRACE', 'soon', /^grace: should be/],
  ['KEYTURN_TEST_QUERY_MAY_WRITE', 'yes', /^testQueryMayWrite: should be true or false/],
  ['PASSWORD_LENGTH', '0', /^PASSWORD_LENGTH: should be/],
  ['EXCLUDE_NUMBERS', 'yes', /^EXCLUDE_NUMBERS: should be true or false/],
])('%s=%s is refused', (name, value, message) => {
  const run = () => parseEnvironment({ [name]: value })
  expect(run).toThrow(errors.InvalidOption)
  expect(run).toThrow(message)
})
