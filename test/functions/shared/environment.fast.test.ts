import { describe, expect, test } from 'vitest'
import { parseDueEnvironment, parseEnvironment } from '../../../functions/shared/environment.ts'

const machine = 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate'
const due = {
  KEYTURN_RUNS: `${machine}-due`,
  KEYTURN_ROTATION_FUNCTION: 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-rotateSecret',
  KEYTURN_MAX_ROTATIONS: '20',
  KEYTURN_MAX_ROTATIONS_PER_HOST: '5',
  KEYTURN_DUE_SCHEDULE: 'rate(5 minutes)',
}

describe('findDue', () => {
  test('all set', () => {
    expect(parseDueEnvironment(due)).toEqual({
      runs: `${machine}-due`,
      rotations: machine,
      servers: `${machine}-server`,
      rotationFunction: due.KEYTURN_ROTATION_FUNCTION,
      maxRotations: 20,
      maxRotationsPerHost: 5,
      interval: 300_000,
    })
  })

  test('an hour lies between two runs, if the schedule says nothing else', () => {
    const { KEYTURN_DUE_SCHEDULE: _, ...others } = due
    expect(parseDueEnvironment(others).interval).toBe(3_600_000)
  })

  test.each([
    ['KEYTURN_RUNS', '', 'environment variable KEYTURN_RUNS: is not set'],
    ['KEYTURN_RUNS', undefined, 'environment variable KEYTURN_RUNS: is not set'],
    ['KEYTURN_ROTATION_FUNCTION', undefined, 'environment variable KEYTURN_ROTATION_FUNCTION: is not set'],
    ['KEYTURN_MAX_ROTATIONS', '0', 'maxConcurrentRotations: should be a whole number from 1 to 10000'],
    ['KEYTURN_MAX_ROTATIONS', '10001', 'maxConcurrentRotations: should be a whole number from 1 to 10000'],
    ['KEYTURN_MAX_ROTATIONS', '1.5', 'maxConcurrentRotations: should be a whole number from 1 to 10000'],
    ['KEYTURN_MAX_ROTATIONS', undefined, 'maxConcurrentRotations: should be a whole number from 1 to 10000'],
    [
      'KEYTURN_MAX_ROTATIONS_PER_HOST',
      '41',
      'maxConcurrentRotationsPerHost: should be a whole number from 1 to 40',
    ],
  ])('%s=%j is InvalidInput, by who sets it', (name, value, message) => {
    expect(() => parseDueEnvironment({ ...due, [name]: value })).toThrow(
      expect.objectContaining({ name: 'InvalidInput', message }),
    )
  })
})

test.each([
  ['KEYTURN_TEST_QUERY_MAY_WRITE', 'yes', 'testQueryMayWrite: should be true or false'],
  ['KEYTURN_GRACE', 'soon', 'grace: should be `never`, or a whole number'],
  ['PASSWORD_LENGTH', '0', 'PASSWORD_LENGTH: should be a whole number'],
])('%s=%s is InvalidOption, by the parameter of the deployment', (name, value, words) => {
  expect(() => parseEnvironment({ [name]: value })).toThrow(
    expect.objectContaining({ name: 'InvalidOption', message: expect.stringContaining(words) }),
  )
})
