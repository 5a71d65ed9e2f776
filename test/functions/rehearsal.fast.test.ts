import { describe, expect, test } from 'vitest'
import { parseRollbackEvent, parseRotationEvent } from '../../functions/shared/event.ts'
import { acceptRehearsal } from '../../functions/shared/rehearsal.ts'
import { createdRotation, executionInput, executionName } from '../support/rotateTasks.ts'

const doors = {
  rotationEvent: acceptRehearsal(parseRotationEvent),
  rollbackEvent: acceptRehearsal(parseRollbackEvent),
}
const last = await import(new URL('../compatibility/last/event.mjs', import.meta.url).href)

describe.each(['rotationEvent', 'rollbackEvent'] as const)('%s', which => {
  const [door, step] = [
    doors[which],
    { rotationEvent: parseRotationEvent, rollbackEvent: parseRollbackEvent }[which],
  ]

  test('parses a step’s event as before', () => {
    const event = {
      execution: executionName,
      rotation: { ...createdRotation, rehearse: true },
      retries: ['AdminRefused'],
    }
    expect(door(event)).toEqual(step(event))
    expect(door(event)).not.toHaveProperty('rehearses')
  })

  test('parses a rehearsal’s event, which has the whole state under another key', () => {
    const started = '2026-11-30T10:00:00.000Z'
    expect(
      door({ execution: executionName, started, rehearsal: { ...createdRotation, testQuery: 'select 1' } }),
    ).toEqual({
      rehearses: true,
      abandoned: false,
      started: new Date(started),
      rotation: { ...createdRotation, testQuery: 'select 1' },
    })
    // Keys that a rollback can do without are required here, as createSecret has ended.
    const { replaces: _, ...partly } = createdRotation
    expect(() => door({ execution: executionName, rehearsal: partly })).toThrow(
      /InvalidInput|replaces: should be/,
    )
  })

  test('takes an event with both keys for a rehearsal, which changes nothing', () => {
    expect(
      door({ execution: executionName, rotation: createdRotation, rehearsal: createdRotation }),
    ).toMatchObject({ rehearses: true })
  })

  test.each([
    undefined,
    null,
    'a text',
    7,
    [],
    {},
    { execution: executionName },
    { execution: executionName, rehearsal: null },
  ])('throws InvalidInput for %j', odd => {
    expect(() => door(odd)).toThrow(expect.objectContaining({ name: 'InvalidInput' }))
  })

  test('of the last release refuses a rehearsal, and does not do what its step does', () => {
    const event = {
      execution: executionName,
      started: '2026-11-30T10:00:00.000Z',
      rehearsal: createdRotation,
    }
    expect(() => last[which](event)).toThrow(expect.objectContaining({ name: 'InvalidInput' }))
    // It parses the state itself, ignoring a key that it does not know.
    const step = { execution: executionName, rotation: { ...createdRotation, rehearse: true } }
    expect(last[which](step).rotation).toMatchObject(executionInput)
  })
})
