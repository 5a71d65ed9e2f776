import { expect, test } from 'vitest'
import { packageBoth, parameters, properties } from './stacks.ts'

const { plain, full } = await packageBoth()

test('a rehearsal of the promotion is scheduled if the deployment names peer Regions', () => {
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

test('an output has the settings that should be the same in every Region', () => {
  const { passwordLength, dueSchedule, maxConcurrentRotations, grace, excludeCharacters } = parameters
  const given = { passwordLength, dueSchedule, maxConcurrentRotations, grace, excludeCharacters }
  const settings = JSON.parse(String(full.Outputs.Settings?.Value))
  expect(settings).toMatchObject({ ...given, testQueryMayWrite: 'false' })
  expect(Object.keys(settings)).toHaveLength(12)
})

test('both tables are encrypted, and records are kept until they expire', () => {
  expect(properties(full, 'RotationRecords')).toMatchObject({
    SSESpecification: { SSEEnabled: true },
    TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
  })
  expect(properties(full, 'Promotions')).toMatchObject({ SSESpecification: { SSEEnabled: true } })
})
