import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type FaultCount, type FaultRow, faultsSection } from '../../../bench/official/faults/faults.ts'
import { type RecordedState, readRecordedStates } from '../../../bench/official/faults/halfDone.ts'
import { cellsOf } from '../../../bench/official/summary.ts'

test('the sum of all faults leaves out the strategies that AWS’s functions do not have', () => {
  const row = (title: string, rotates: boolean, stuck: number): FaultRow => {
    const count: FaultCount = { faults: 10, lockedOut: 1, stuck }
    return { title, rotates, official: count, officialAgain: count, keyturn: count, keyturnStopped: count }
  }
  const section = faultsSection([row('one', true, 2), row('two', true, 3), row('as it is', false, 10)])
  expect(cellsOf(section, 'as it is')[1]).toBe('1 and 10 of 10')
  expect(cellsOf(section, 'all but "as it is"')[1]).toBe('2 and 5 of 20')
})

const engines = { postgres: 'PostgreSQL', mysql: 'MySQL', mariadb: 'MariaDB' }
const results = readFileSync(join(import.meta.dirname, '../../../bench/official/RESULTS.md'), 'utf8')
const { states } = readRecordedStates()
const kinds = Map.groupBy(
  states,
  ({ engine, strategy, start }) =>
    `${engines[engine]}, ${strategy}, ${start}${engine === 'mysql' ? ', one string changed' : ''}`,
)

/** Whether the current value does not log in. */
const isLockedOut = ({ labels, strategy, start, user, clone }: RecordedState) => {
  const current = labels.new?.includes('AWSCURRENT') ? 'new' : 'current'
  const isClones = strategy === 'alternating-users' && (start === 'on the clone') === (current === 'current')
  return (isClones ? clone?.password : user) !== current
}

test.each([...kinds])('%s: RESULTS.md counts the states that are recorded', (title, states) => {
  const sum = (which: (state: RecordedState) => boolean) =>
    states.filter(which).reduce((all, { faults }) => all + faults, 0)
  const isStuck = ({ labels: { new: of } }: RecordedState) =>
    of?.includes('AWSPENDING') && !of.includes('AWSCURRENT')
  const [, official] = cellsOf(results.replace(/^(\| \w+) [\d.]+/gm, '$1'), title)
  expect(official).toBe(`${sum(isLockedOut)} and ${sum(state => !!isStuck(state))} of ${sum(() => true)}`)
})
