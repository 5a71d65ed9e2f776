import { expect, test } from 'vitest'
import { packageBoth, properties } from './stacks.ts'

const { plain, full } = await packageBoth()

test('a rehearsal is started where peers are named', () => {
  expect(plain.Resources.RehearsalSchedule).toMatchObject({ Condition: 'Peers' })
  expect(properties(full, 'RehearsalSchedule')).toMatchObject({
    ScheduleExpression: 'rate(1 day)',
    Target: {
      Arn: 'PromoteStateMachine',
      RoleArn: 'RehearsalScheduleRole.Arn',
      Input: '{"dryRun":true}',
      DeadLetterConfig: { Arn: 'StartDeadLetters.Arn' },
    },
  })
})

test('an output says what should be the same in every Region', () => {
  expect(JSON.parse(String(full.Outputs.Settings?.Value))).toEqual({
    grace: '7d',
    passwordLength: '40',
    excludeCharacters: '/@"',
    excludeNumbers: 'false',
    excludePunctuation: 'true',
    excludeUppercase: 'false',
    excludeLowercase: 'false',
    requireEachIncludedType: 'true',
    testQueryMayWrite: 'false',
    maxConcurrentRotations: '100',
    maxConcurrentRotationsPerHost: '10',
    dueSchedule: 'rate(5 minutes)',
  })
})

test('records are encrypted, and kept until they expire; what is noted of promotions is encrypted', () => {
  expect(properties(full, 'RotationRecords')).toMatchObject({
    SSESpecification: { SSEEnabled: true },
    TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
  })
  expect(properties(full, 'Promotions')).toMatchObject({ SSESpecification: { SSEEnabled: true } })
})
