import { describe, expect, test } from 'vitest'
import {
  parseEnvironment,
  parseFindDueEnvironment,
  parseOwnershipEnvironment,
} from '../../../functions/shared/environment.ts'
import * as errors from '../../../rotation/errors.ts'

const unset = { strategy: undefined, testQuery: undefined }

test('without settings the defaults apply', () => {
  expect(parseEnvironment({})).toEqual({
    caFile: '/var/runtime/ca-cert.pem',
    executionArnPrefix: undefined,
    serverStateMachineArn: '',
    defaults: { ...unset, grace: 86_400, password: {} },
  })
})

test('every setting is read', () => {
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
    executionArnPrefix: 'arn:aws:states:eu-west-1:123456789012:execution:rotate',
    serverStateMachineArn: 'arn:aws:states:eu-west-1:123456789012:stateMachine:rotate-server',
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
])('an empty %s counts as unset', name => {
  expect(parseEnvironment({ [name]: '' })).toEqual(parseEnvironment({}))
})

test('the grace time "never" closes nothing', () => {
  expect(parseEnvironment({ KEYTURN_GRACE: 'never' }).defaults.grace).toBe('never')
})

test.each([
  ['KEYTURN_GRACE', 'soon', /^grace: should be/],
  ['KEYTURN_TEST_QUERY_MAY_WRITE', 'yes', /^testQueryMayWrite: should be true or false/],
  ['PASSWORD_LENGTH', '0', /^PASSWORD_LENGTH: should be/],
  ['EXCLUDE_NUMBERS', 'yes', /^EXCLUDE_NUMBERS: should be true or false/],
])('the setting %s=%s is refused', (name, value, message) => {
  const run = () => parseEnvironment({ [name]: value })
  expect(run).toThrow(errors.InvalidOption)
  expect(run).toThrow(message)
})

const machine = 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate'
const due = {
  KEYTURN_RUNS: `${machine}-due`,
  KEYTURN_ROTATION_FUNCTION: 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-rotateSecret',
  KEYTURN_MAX_ROTATIONS: '20',
  KEYTURN_MAX_ROTATIONS_PER_HOST: '5',
  KEYTURN_DUE_SCHEDULE: 'rate(5 minutes)',
}

test('checkCredential has no KMS key if none is set', () => {
  const { KEYTURN_ROTATION_FUNCTION } = due
  const rotationFunction = KEYTURN_ROTATION_FUNCTION
  expect(parseOwnershipEnvironment({ KEYTURN_ROTATION_FUNCTION, KEYTURN_KMS_KEY: '' })).toEqual({
    rotationFunction,
  })
  expect(parseOwnershipEnvironment({ KEYTURN_ROTATION_FUNCTION, KEYTURN_KMS_KEY: 'arn:key' })).toEqual({
    rotationFunction,
    kmsKeyArn: 'arn:key',
  })
  expect(
    parseOwnershipEnvironment({ KEYTURN_ROTATION_FUNCTION, KEYTURN_ADMIN_SECRET_ARNS: 'arn:a,arn:b' }),
  ).toEqual({
    rotationFunction: KEYTURN_ROTATION_FUNCTION,
    listedAdmins: ['arn:a', 'arn:b'],
  })
  expect(() => parseOwnershipEnvironment({})).toThrow(errors.InvalidInput)
})

describe('findDue', () => {
  test('reads every setting', () => {
    expect(parseFindDueEnvironment(due)).toEqual({
      runStateMachineArn: `${machine}-due`,
      rotationStateMachineArn: machine,
      serverStateMachineArn: `${machine}-server`,
      rotationFunction: due.KEYTURN_ROTATION_FUNCTION,
      maxRotations: 20,
      maxRotationsPerHost: 5,
      intervalMs: 300_000,
      tagSchedules: false,
    })
    expect(parseFindDueEnvironment({ ...due, KEYTURN_TAG_SCHEDULES: 'true' }).tagSchedules).toBe(true)
  })

  test('takes two runs to be an hour apart if the schedule does not say otherwise', () => {
    const { KEYTURN_DUE_SCHEDULE: _, ...others } = due
    expect(parseFindDueEnvironment(others).intervalMs).toBe(3_600_000)
  })

  test.each([
    ['KEYTURN_RUNS', '', 'environment variable KEYTURN_RUNS: is not set'],
    ['KEYTURN_RUNS', undefined, 'environment variable KEYTURN_RUNS: is not set'],
    ['KEYTURN_ROTATION_FUNCTION', undefined, 'environment variable KEYTURN_ROTATION_FUNCTION: is not set'],
    ['KEYTURN_MAX_ROTATIONS', '0', 'maxConcurrentRotations: should be a whole number from 1 to 10000'],
    ['KEYTURN_MAX_ROTATIONS', '10001', 'maxConcurrentRotations: should be a whole number from 1 to 10000'],
    ['KEYTURN_MAX_ROTATIONS', '1.5', 'maxConcurrentRotations: should be a whole number from 1 to 10000'],
    ['KEYTURN_MAX_ROTATIONS', undefined, 'maxConcurrentRotations: should be a whole number from 1 to 10000'],
    ['KEYTURN_TAG_SCHEDULES', 'yes', 'tagSchedules: should be true or false'],
    [
      'KEYTURN_MAX_ROTATIONS_PER_HOST',
      '41',
      'maxConcurrentRotationsPerHost: should be a whole number from 1 to 40',
    ],
  ])('throws InvalidInput for %s=%j, which names the parameter or the variable', (name, value, message) => {
    expect(() => parseFindDueEnvironment({ ...due, [name]: value })).toThrow(
      expect.objectContaining({ name: 'InvalidInput', message }),
    )
  })
})
