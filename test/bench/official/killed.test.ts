import { afterAll, beforeAll, expect, test } from 'vitest'
import { postgresDatabase } from '../../../bench/official/faults/databases.ts'
import { deathsOf } from '../../../bench/official/faults/mortal.ts'
import { makeMortalTasks } from '../../../bench/official/faults/mortalTasks.ts'
import { makeSetting, Subject, type SubjectSetting } from '../../../bench/official/faults/subject.ts'
import { type Embedded, startEmbedded } from '../../../local/embedded/embedded.ts'
import { captureOutput } from '../../support/observe.ts'

let embedded: Embedded
let setting: SubjectSetting
let operations: string[]
beforeAll(async () => {
  embedded = await startEmbedded()
  setting = await makeSetting(embedded, postgresDatabase(embedded.postgres), 'single-user', 'settled')
  const whole = makeMortalTasks(embedded.tasks, undefined)
  expect(await (await Subject.create(setting)).rotate(whole.tasks)).toBeUndefined()
  operations = whole.operations
})
afterAll(() => embedded?.stop())

async function verdictsAfter(afterwards: 'rolled back' | 'stopped') {
  captureOutput()
  const verdicts = []
  for (const death of deathsOf(operations.length)) {
    const subject = await Subject.create(setting)
    const mortal = makeMortalTasks(embedded.tasks, death, afterwards)
    // A rollback after the label was moved finds that the rotation has succeeded.
    expect(['Killed', undefined], JSON.stringify(death)).toContain(await subject.rotate(mortal.tasks))
    expect(mortal.operations.length).toBe(death.at + 1)
    verdicts.push(await subject.judge())
  }
  return verdicts
}

test('a rotation that is killed at any call, login or statement and rolled back locks nobody out', async () => {
  expect(operations).toEqual(expect.arrayContaining(['PutSecretValueCommand', 'login', 'statement']))
  expect(operations.at(-1)).toBe('UpdateSecretVersionStageCommand')
  const verdicts = await verdictsAfter('rolled back')
  expect(verdicts.filter(({ lockedOut, stuck }) => lockedOut || stuck)).toEqual([])
})

test('without a rollback, a single user is locked out between the statement and the label', async () => {
  const verdicts = await verdictsAfter('stopped')
  const set = deathsOf(operations.length).findIndex(
    ({ at, when }) =>
      at === operations.lastIndexOf('statement', operations.lastIndexOf('login')) && when === 'after',
  )
  const locked = verdicts.map(({ lockedOut }) => lockedOut)
  expect(locked.indexOf(true)).toBe(set)
  expect(locked.lastIndexOf(true)).toBe(locked.length - 2)
})
