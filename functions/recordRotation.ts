import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { SFNClient } from '@aws-sdk/client-sfn'
import * as v from 'valibot'
import { ANNOUNCING_STATES } from '../fleet/announcingStates.ts'
import { editRecordOf } from '../fleet/records/editRecord.ts'
import { fetchHistory } from '../fleet/records/history.ts'
import { RecordTable } from '../fleet/records/recordTable.ts'
import { type HistoryEvent, rotationRecordOf } from '../fleet/records/rotationRecord.ts'
import { parseQueueMessages } from './shared/event.ts'
import { functionHandler } from './shared/handler.ts'
import { logger } from './shared/logger.ts'
import { isRedelivered, partialBatchResponse, type QueueMessage, TooEarly } from './shared/queueBatch.ts'
import { REQUEST_TIMEOUTS } from './shared/requestTimeouts.ts'

const text = v.pipe(v.string(), v.nonEmpty())
const environment = v.parse(v.object({ KEYTURN_EXECUTIONS: text, KEYTURN_RECORD_TABLE: text }), process.env)
const settings = { requestHandler: REQUEST_TIMEOUTS, maxAttempts: 3 }
const stepFunctions = new SFNClient(settings)
const table = new RecordTable(new DynamoDBClient(settings), environment.KEYTURN_RECORD_TABLE)

/** An event names an execution, by one key or the other; that is all that is taken from it. */
const messageBody = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    'detail-type': v.optional(v.string(), ''),
    detail: v.object({ execution: v.optional(v.string()), executionArn: v.optional(v.string()) }),
  }),
)

/**
 * Keeps a record of each rotation, and of each edit of a value, for longer than Step Functions keeps executions. It reads the events that the rules in
 * resources/records.yml put into a queue, and makes the record of the execution's own history, whatever an event says.
 * @returns the messages that are to come again
 */
export const handler = functionHandler(
  'recordRotation',
  parseQueueMessages,
  messages => ({ messages: messages.length }),
  async messages => {
    const failed: string[] = []
    // One after the other: Step Functions gives out few histories a second, and rotations ask it too.
    for (const message of messages)
      await recordExecution(message).catch(error => {
        logger.warn('to come again', { error })
        failed.push(message.messageId)
      })
    return partialBatchResponse(failed)
  },
)

async function recordExecution(message: QueueMessage): Promise<void> {
  const { success, output } = v.safeParse(messageBody, message.body)
  const execution = success ? (output.detail.execution ?? output.detail.executionArn ?? '') : ''
  if (!success || !isOwn(execution)) return logger.warn('no event of a rotation of this stack')
  const history = await fetchHistory(stepFunctions, execution)
  // After a second look it is taken for what it is: whoever may put events on the bus can make some up.
  if (!isRedelivered(message) && !historyConfirms(history, output['detail-type']))
    throw new TooEarly(execution)
  const edit = editRecordOf(execution, history)
  if (edit) return table.writeEdit(edit)
  const found =
    isExecutionOf(execution, environment.KEYTURN_EXECUTIONS) && rotationRecordOf(execution, history)
  if (found) await table.writeRotation(found, history.length)
}

/** The executions of set-admin are named beside those of rotate. */
const setAdminExecutions = environment.KEYTURN_EXECUTIONS.replace(/-rotate$/, '-set-admin')

const isOwn = (execution: string) =>
  [environment.KEYTURN_EXECUTIONS, setAdminExecutions].some(executions =>
    isExecutionOf(execution, executions),
  )

function isExecutionOf(execution: string, executions: string): boolean {
  const prefix = `${executions}:`
  return execution.startsWith(prefix) && /^[\w-]{1,80}$/.test(execution.slice(prefix.length))
}

/** Whether the history has what an event tells of. A status change is borne out by an end of any kind. */
function historyConfirms(history: HistoryEvent[], detailType: string): boolean {
  const all: Record<string, string[]> = { ...ANNOUNCING_STATES, 'Credential Admin Set': ['AnnounceAdminSet'] }
  const states = Object.hasOwn(all, detailType) ? all[detailType] : undefined
  return history.some(({ type = '', stateEnteredEventDetails: entered }) =>
    states
      ? states.includes(entered?.name ?? '')
      : /^Execution(Succeeded|Failed|Aborted|TimedOut)$/.test(type),
  )
}
