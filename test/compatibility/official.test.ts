import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Database, mysqlDatabase, postgresDatabase } from '../../bench/official/faults/databases.ts'
import { type HalfDone, keyOf, readRecordedStates } from '../../bench/official/faults/halfDone.ts'
import { makeSetting, Subject } from '../../bench/official/faults/subject.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'

/*
 * The states in which AWS's rotation functions leave a secret when they die midway, as bench/official/ recorded them: Keyturn rotates each
 * of these states. bench/official/ tests that AWS's functions then rotate again, as this needs their code.
 */

const servers = inject('mysql')
let embedded: Embedded
beforeAll(async () => {
  embedded = await startEmbedded({ trust: servers.map(({ caFile }) => caFile) })
})
afterAll(() => embedded?.stop())

/** The newest server, or undefined if this system does not have it, which test/support/servers.ts reports. */
function databaseOf(engine: HalfDone['engine']): Database | undefined {
  if (engine === 'postgres') return postgresDatabase(embedded.postgres)
  const server = servers.findLast(server => server.engine === engine)
  return server && mysqlDatabase(server)
}

const { states } = readRecordedStates()
const kinds = Map.groupBy(states, ({ engine, strategy, start }) => `${engine}, ${strategy}, ${start}`)

// The tests run concurrently, as each has users of its own.
describe.concurrent('Keyturn rotates what AWS’s functions left half done, twice', () => {
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
