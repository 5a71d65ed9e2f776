import { expect, test } from 'vitest'
import { packageBoth, parameters, properties } from './stacks.ts'

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
  const { passwordLength, dueSchedule, maxConcurrentRotations, grace, excludeCharacters } = parameters
  const given = { passwordLength, dueSchedule, maxConcurrentRotations, grace, excludeCharacters }
  const settings = JSON.parse(String(full.Outputs.Settings?.Value))
  expect(settings).toMatchObject({ ...given, testQueryMayWrite: 'false' })
  expect(Object.keys(settings)).toHaveLength(12)
})

test('records are encrypted, and kept until they expire; what is noted of promotions is encrypted', () => {
  expect(properties(full, 'RotationRecords')).toMatchObject({
    SSESpecification: { SSEEnabled: true },
    TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
  })
  expect(properties(full, 'Promotions')).toMatchObject({ SSESpecification: { SSEEnabled: true } })
})
