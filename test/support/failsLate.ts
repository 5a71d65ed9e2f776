import { randomUUID } from 'node:crypto'
import type { Embedded } from '../../local/embedded/embedded.ts'
import type { Task } from '../../local/embedded/stateMachine.ts'

/**
 * What makes a rotation fail in TestSecret, when its rehearsal went well: a test query that reads a table, and a TestSecret by
 * which the table is gone.
 */
export async function failsLate({ tasks, users }: Embedded): Promise<{
  tags: { 'keyturn:test-query': string }
  TestSecret: Task
}> {
  const table = `late_${randomUUID().slice(0, 8)}`
  await users.run(`create table ${table} (); grant select on ${table} to public`)
  return {
    tags: { 'keyturn:test-query': `TABLE ${table}` },
    async TestSecret(event) {
      await users.run(`drop table if exists ${table}`)
      return tasks.TestSecret?.(event)
    },
  }
}
