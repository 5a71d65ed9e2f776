import { describe, expect, test } from 'vitest'
import { rollbackEvent, rotationEvent } from '../../functions/shared/event.ts'
import { orRehearsal } from '../../functions/shared/rehearsal.ts'
import { input, name, rotation } from '../support/rotateTasks.ts'

const doors = { rotationEvent: orRehearsal(rotationEvent), rollbackEvent: orRehearsal(rollbackEvent) }
const last = await import(new URL('../compatibility/last/event.mjs', import.meta.url).href)

describe.each(['rotationEvent', 'rollbackEvent'] as const)('%s', which => {
  const [door, step] = [doors[which], { rotationEvent, rollbackEvent }[which]]

  test("a step's event is taken as ever", () => {
    const event = { execution: name, rotation: { ...rotation, rehearse: true }, retries: ['AdminRefused'] }
    expect(door(event)).toEqual(step(event))
    expect(door(event)).not.toHaveProperty('rehearses')
  })

  test('a rehearsal has the whole state, under another key', () => {
    const started = '2026-11-30T10:00:00.000Z'
    expect(door({ execution: name, started, rehearsal: { ...rotation, testQuery: 'select 1' } })).toEqual({
      rehearses: true,
      abandoned: false,
      started: new Date(started),
      rotation: { ...rotation, testQuery: 'select 1' },
    })
    // What a rollback can do without is needed here: createSecret has come to its end.
    const { replaces: _, ...partly } = rotation
    expect(() => door({ execution: name, rehearsal: partly })).toThrow(/InvalidInput|replaces: should be/)
  })

  test('of an event with both keys a rehearsal is made, which changes nothing', () => {
    expect(door({ execution: name, rotation, rehearsal: rotation })).toMatchObject({ rehearses: true })
  })

  test.each([
    undefined,
    null,
    'a text',
    7,
    [],
    {},
    { execution: name },
    { execution: name, rehearsal: null },
  ])('%j is InvalidInput', odd => {
    expect(() => door(odd)).toThrow(expect.objectContaining({ name: 'InvalidInput' }))
  })

  test('a function of the last release refuses a rehearsal, and does not do what its step does', () => {
    const event = { execution: name, started: '2026-11-30T10:00:00.000Z', rehearsal: rotation }
    expect(() => last[which](event)).toThrow(expect.objectContaining({ name: 'InvalidInput' }))
    // It takes the state itself, with a key that it does not know.
    const step = { execution: name, rotation: { ...rotation, rehearse: true } }
    expect(last[which](step).rotation).toMatchObject(input)
  })
})
