import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { SFNClient } from '@aws-sdk/client-sfn'
import * as v from 'valibot'
import { ANNOUNCING_STATES } from '../fleet/announcingStates.ts'
import { editRecordOf } from '../fleet/records/editRecord.ts'
import { fetchHistory } from '../fleet/records/history.ts'
import { type HistoryEvent, rotationRecordOf } from '../fleet/records/recordFromHistory.ts'
import { RecordTable } from '../fleet/records/recordTable.ts'
import { parseQueueMessages } from './shared/event.ts'
import { functionHandler } from './shared/handler.ts'
import { logger } from './shared/logger.ts'
import { nonEmptyText } from './shared/nonEmptyText.ts'
import { isRedelivered, partialBatchResponse, type QueueMessage, TooEarly } from './shared/queueBatch.ts'
import { REQUEST_TIMEOUTS } from './shared/requestTimeouts.ts'

const environment = v.parse(
  v.object({ KEYTURN_EXECUTIONS: nonEmptyText, KEYTURN_RECORD_TABLE: nonEmptyText }),
  process.env,
)
const CLIENT_SETTINGS = { requestHandler: REQUEST_TIMEOUTS, maxAttempts: 3 }
const stepFunctions = new SFNClient(CLIENT_SETTINGS)
const table = new RecordTable(new DynamoDBClient(CLIENT_SETTINGS), environment.KEYTURN_RECORD_TABLE)

/**
 * The body of a message: an event as EventBridge sends it. Keyturn's own events name their execution in `execution`, those of
 * Step Functions in `executionArn`; nothing else is taken from the detail.
 */
const messageBody = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    'detail-type': v.optional(v.string(), ''),
    detail: v.object({ execution: v.optional(v.string()), executionArn: v.optional(v.string()) }),
  }),
)

/**
 * Writes a record of each rotation, and of each edit (a change of an admin by set-admin), to the table of records, which keeps them for longer than Step
 * Functions keeps executions. The function reads the events that the rules in resources/records.yml put into a queue. Each
 * record is made from the history of the execution, whatever the event says.
 * @returns the ids of the messages that SQS is to deliver again
 */
export const handler = functionHandler(
  'recordRotation',
  parseQueueMessages,
  messages => ({ messages: messages.length }),
  async messages => {
    const failed: string[] = []
    // One after the other: rotations call GetExecutionHistory too, and the calls a second are limited:
    // https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    for (const message of messages)
      await recordExecution(message).catch(error => {
        logger.warn('not recorded: SQS delivers the message again', { error })
        failed.push(message.messageId)
      })
    return partialBatchResponse(failed)
  },
)

async function recordExecution(message: QueueMessage): Promise<void> {
  const { success, output } = v.safeParse(messageBody, message.body)
  const execution = success ? (output.detail.execution ?? output.detail.executionArn ?? '') : ''
  if (!success || !isOwn(execution))
    return logger.warn("ignored: no event of this stack's rotate or set-admin")
  const history = await fetchHistory(stepFunctions, execution)
  // The history may lag behind the event, so an event that the history does not confirm is delivered once more. From the second
  // time on it is not compared any more: if the history still does not confirm it, somebody who may put events on the bus forged it.
  // The record is made from the history all the same.
  if (!isRedelivered(message) && !historyConfirms(history, output['detail-type']))
    throw new TooEarly(execution)
  const edit = editRecordOf(execution, history)
  if (edit) return table.writeEdit(edit)
  const found =
    isExecutionOf(execution, environment.KEYTURN_EXECUTIONS) && rotationRecordOf(execution, history)
  if (found) await table.writeRotation(found, history.length)
}

/** What the ARNs of this stack's executions of set-admin begin with. They differ from rotate's only in the state machine's name. */
const setAdminExecutions = environment.KEYTURN_EXECUTIONS.replace(/-rotate$/, '-set-admin')

/** Whether this ARN is that of an execution of this stack's rotate or set-admin. */
const isOwn = (execution: string) =>
  [environment.KEYTURN_EXECUTIONS, setAdminExecutions].some(executions =>
    isExecutionOf(execution, executions),
  )

function isExecutionOf(execution: string, executions: string): boolean {
  const prefix = `${executions}:`
  return execution.startsWith(prefix) && /^[\w-]{1,80}$/.test(execution.slice(prefix.length))
}

/**
 * Whether a history confirms an event. It confirms an announcement if it has a state that makes this announcement. Any other event
 * is a status change of Step Functions, which a history confirms if the execution has ended, in whatever way.
 */
function historyConfirms(history: HistoryEvent[], detailType: string): boolean {
  const all: Record<string, string[]> = { ...ANNOUNCING_STATES, 'Credential Admin Set': ['AnnounceAdminSet'] }
  const states = Object.hasOwn(all, detailType) ? all[detailType] : undefined
  return history.some(({ type = '', stateEnteredEventDetails: entered }) =>
    states
      ? states.includes(entered?.name ?? '')
      : /^Execution(Succeeded|Failed|Aborted|TimedOut)$/.test(type),
  )
}
