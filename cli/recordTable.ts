import { RecordTable } from '../fleet/records/recordTable.ts'
import type { Context } from './context.ts'
import { outputOf, type Stack } from './stack.ts'

/** How many of a credential's records are read: enough to find its last successful rotation after some failures. */
export const RECENT_RECORD_COUNT = 10

/** The stack's table of rotation records. */
export async function recordTableOf({ clients }: Context, stack: Stack): Promise<RecordTable> {
  return new RecordTable(await clients.dynamo(), outputOf(stack, 'RotationTableName'))
}
