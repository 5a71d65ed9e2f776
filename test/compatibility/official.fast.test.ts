import { expect, test } from 'vitest'
import { keyOf, type RecordedState, readRecordedStates } from '../../bench/official/faults/halfDone.ts'
import { RECORDED_COMMIT } from '../../bench/official/source.ts'

const { commit, states } = readRecordedStates()
const faultsOf = (some: RecordedState[]) => some.reduce((all, { faults }) => all + faults, 0)

test('the recorded states are of the commit of all other figures, and each is listed once', () => {
  expect(commit).toBe(RECORDED_COMMIT)
  expect(new Set(states.map(keyOf)).size).toBe(states.length)
})

test('the recorded states cover every engine and strategy, and all that can be half done', () => {
  const kinds = new Set(states.map(({ engine, strategy }) => `${engine} ${strategy}`))
  expect([...kinds].sort()).toEqual(
    ['mariadb', 'mysql', 'postgres'].flatMap(engine => [
      `${engine} alternating-users`,
      `${engine} single-user`,
    ]),
  )
  // Only a single user can be locked out: its password is the new one while the old one is current.
  const locked = states.filter(
    ({ labels, start, user, clone }) =>
      labels.current?.includes('AWSCURRENT') && (start === 'on the clone' ? clone?.password : user) === 'new',
  )
  expect(new Set(locked.map(({ strategy }) => strategy))).toEqual(new Set(['single-user']))
  const onClone = states.filter(({ start }) => start === 'on the clone')
  expect(new Set(onClone.map(({ engine }) => engine)).size).toBe(3)
  expect([faultsOf(locked), faultsOf(onClone), faultsOf(states)]).toEqual([52, 166, 638])
  expect(states.map(({ clone }) => clone?.may)).toEqual(expect.arrayContaining(['nothing', 'part', 'all']))
  expect(states.some(({ valueless }) => valueless)).toBe(true)
})
