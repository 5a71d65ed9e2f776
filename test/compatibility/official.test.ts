import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Database, mysqlDatabase, postgresDatabase } from '../../bench/official/faults/databases.ts'
import { type HalfDone, keyOf, readRecordedStates } from '../../bench/official/faults/halfDone.ts'
import { makeSetting, Subject } from '../../bench/official/faults/subject.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'

/*
 * What AWS's rotation functions leave behind when they die midway, as bench/official/ has found it out: Keyturn rotates each
 * of these states. That AWS's functions then rotate again is tried there, as it takes their code.
 */

const servers = inject('mysql')
let embedded: Embedded
beforeAll(async () => {
  embedded = await startEmbedded({ trust: servers.map(({ caFile }) => caFile) })
})
afterAll(() => embedded?.stop())

/** The newest. Undefined where this system cannot have it; test/support/servers.ts has said so. */
function databaseOf(engine: HalfDone['engine']): Database | undefined {
  if (engine === 'postgres') return postgresDatabase(embedded.postgres)
  const server = servers.findLast(server => server.engine === engine)
  return server && mysqlDatabase(server)
}

const { states } = readRecordedStates()
const kinds = Map.groupBy(states, ({ engine, strategy, start }) => `${engine}, ${strategy}, ${start}`)

// Those of different users do not meet.
describe.concurrent('what AWS’s functions leave half done, Keyturn rotates, and then once more', () => {
  test.for([...kinds])('%s', { timeout: 120_000 }, async ([, states], { skip }) => {
    const [first] = states
    const database = first && databaseOf(first.engine)
    if (!first || !database) return skip('there is no such server here')
    const setting = await makeSetting(embedded, database, first.strategy, first.start)
    for (const state of states)
      for (const [who, again] of [
        ['a rotation of its own', false],
        ["Secrets Manager's next try of the same version", true],
      ] as const) {
        const subject = await Subject.create(setting)
        await subject.restoreState(state)
        for (const rotation of [`${who}`, `the rotation after ${who}`]) {
          const where = `${rotation}: ${keyOf(state)}`
          expect(await subject.rotate(embedded.tasks, again && rotation === who), where).toBeUndefined()
          expect(await subject.judge(), where).toEqual({ lockedOut: false, stuck: false })
        }
      }
  })
})
