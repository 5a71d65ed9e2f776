import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ANNOUNCING_STATES } from '../../../fleet/announcingStates.ts'
import { readFailure, readSuccess } from '../../../functions/alarm/failure.ts'
import { runbook, weighed } from './reading.ts'

const project = join(import.meta.dirname, '../../..')
const read = (path: string) => readFileSync(join(project, path), 'utf8')

/** The types of the events that this text of a state machine puts on the bus. */
const typesIn = (text: string) => [...text.matchAll(/"DetailType": "([^"]+)"/g)].map(([, type = '']) => type)
const machines = globSync('statemachines/*.asl.json', { cwd: project }).map(read)
const types = [...new Set(machines.flatMap(typesIn))]

/** Events that nobody on call is told of: each says that something went as it was asked to. */
const UNTOLD = ['Credential Admin Set', 'Credential Checked', 'Due Rotations Finished']

test.each(types)('%s is in docs/events.md', type => {
  expect(read('docs/events.md')).toContain(`\n## ${type}\n`)
})

test.each(types.filter(type => !UNTOLD.includes(type)))('%s reaches raiseAlarm, which can read it', type => {
  expect(read('resources/alarms.yml')).toMatch(new RegExp(`[ [-]${type}[\\],\n]`))
  const detail = { store: 'secrets-manager', id: 'shop/database', execution: 'arn' }
  const event = weighed({ source: 'keyturn', 'detail-type': type, detail })
  expect(readSuccess(event) ?? readFailure(event, runbook) ?? {}).not.toHaveProperty('headline', 'unknown')
})

test('of each event of a rotation it is known which state announces it, and it is recorded', () => {
  const own = [...new Set(typesIn(read('statemachines/rotate.asl.json')))].sort()
  expect(Object.keys(ANNOUNCING_STATES).sort()).toEqual(own)
  for (const type of own) expect(read('resources/records.yml')).toContain(`- ${type}\n`)
})
