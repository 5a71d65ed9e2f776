import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ANNOUNCING_STATES } from '../../../fleet/announcingStates.ts'
import { readFailure, readSuccess } from '../../../functions/alarm/readFailure.ts'
import { runbook, weighed } from './reading.ts'

const project = join(import.meta.dirname, '../../..')
const read = (path: string) => readFileSync(join(project, path), 'utf8')

/** @returns the types of the events that a state machine puts on the bus */
const typesIn = (text: string) => [...text.matchAll(/"DetailType": "([^"]+)"/g)].map(([, type = '']) => type)
const machines = globSync('statemachines/*.asl.json', { cwd: project }).map(read)
const types = [...new Set(machines.flatMap(typesIn))]

/** Events without an alarm, as each says that something succeeded. */
const UNTOLD = ['Credential Admin Set', 'Credential Checked', 'Due Rotations Finished']

test.each(types)('%s is in docs/events.md', type => {
  expect(read('docs/events.md')).toContain(`\n## ${type}\n`)
})

test.each(types.filter(type => !UNTOLD.includes(type)))('%s reaches raiseAlarm, which can parse it', type => {
  expect(read('resources/alarms.yml')).toMatch(new RegExp(`[ [-]${type}[\\],\n]`))
  const detail = { store: 'secrets-manager', id: 'shop/database', execution: 'arn' }
  const event = weighed({ source: 'keyturn', 'detail-type': type, detail })
  expect(readSuccess(event) ?? readFailure(event, runbook) ?? {}).not.toHaveProperty('headline', 'unknown')
})

test('each event of a rotation has a known state that announces it, and a record', () => {
  const own = [...new Set(typesIn(read('statemachines/rotate.asl.json')))].sort()
  expect(Object.keys(ANNOUNCING_STATES).sort()).toEqual(own)
  for (const type of own) expect(read('resources/records.yml')).toContain(`- ${type}\n`)
})
