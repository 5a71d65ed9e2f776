import { expect, test } from 'vitest'
import { createStateTracker } from '../../fleet/statesOfEvents.ts'

const entered = (id: number, previousEventId: number, name: string) => ({
  id,
  previousEventId,
  stateEnteredEventDetails: { name },
})

test('in parallel branches each event belongs to the state of its own branch', () => {
  const stateOf = createStateTracker()
  const events = [
    { id: 1, previousEventId: 0 },
    entered(2, 1, 'Rehearse'),
    { id: 3, previousEventId: 2 },
    entered(4, 3, 'RehearseTest'),
    entered(5, 3, 'RehearseFinish'),
    { id: 6, previousEventId: 4 },
    { id: 7, previousEventId: 5 },
    { id: 8, previousEventId: 6 },
    { id: 9, previousEventId: 8 },
    { id: 10, previousEventId: 7 },
    entered(11, 10, 'Rehearsed'),
    { id: 12, previousEventId: 11 },
  ]
  expect(events.map(stateOf)).toEqual([
    '',
    'Rehearse',
    'Rehearse',
    'RehearseTest',
    'RehearseFinish',
    'RehearseTest',
    'RehearseFinish',
    'RehearseTest',
    'RehearseTest',
    'RehearseFinish',
    'Rehearsed',
    'Rehearsed',
  ])
})

test('if events do not name the previous one, they belong to the last state that was entered', () => {
  const stateOf = createStateTracker()
  const { previousEventId: _, ...event } = entered(2, 1, 'SetSecret')
  expect([{ id: 1 }, event, { id: 3 }, {}, { previousEventId: 99 }].map(stateOf)).toEqual([
    '',
    ...Array(4).fill('SetSecret'),
  ])
})
