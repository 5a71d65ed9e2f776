import { expect, test } from 'vitest'
import { runEvent, serviceEvent, startCallEvent, startEvent } from '../../../functions/shared/event.ts'

const token = '8f14e45f-ceea-467f-a0e6-0123456789ab'
const start = { store: 'secrets-manager', id: 'shop/database', token }
const call = { ...start, at: '2026-11-21T10:00:00Z', until: null, group: 'one', server: null }
const service = { Step: 'setSecret', SecretId: 'arn', ClientRequestToken: token, RotationToken: 'proof' }

test.each([
  [
    'startEvent',
    (rotation: object) => startEvent({ execution: token, rotation }),
    { ...start, group: 'one' },
  ],
  ['startCallEvent', startCallEvent, call],
  ['runEvent', runEvent, { run: 'one', overlaps: true }],
  ['serviceEvent', serviceEvent, service],
])('%s: each field is refused by its name, in words', (_, parse, event) => {
  parse(event as never)
  for (const field of Object.keys(event))
    expect(() => parse({ ...event, [field]: { of: 'another kind' } } as never)).toThrow(
      expect.objectContaining({
        name: 'InvalidInput',
        message: expect.stringMatching(`^${field}: should be (?!undefined)\\S`),
      }),
    )
})

test('what a person does not write is as the state machine passes it', () => {
  expect(() => startCallEvent({ ...call, group: 7 })).toThrow(
    'group: should be as the state machine passes it',
  )
  expect(() => runEvent({ run: 'one', overlaps: 'yes' })).toThrow(
    'overlaps: should be as the state machine passes it',
  )
})
