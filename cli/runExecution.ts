import type { DescribeExecutionOutput } from '@aws-sdk/client-sfn'
import { errorMessageIn } from '../fleet/errorMessageIn.ts'
import { remedyOf } from '../fleet/remedies.ts'
import { explainError } from './awsErrors.ts'
import type { Context } from './context.ts'
import type { FoundCredential } from './credential.ts'
import { startExecution, waitForExecution } from './execution.ts'
import { CommandError, EXIT } from './exit.ts'
import { sanitize } from './output.ts'

/** Milliseconds after which the user is told why a result may take long. */
const SLOW_AFTER_MS = 3000
/** Milliseconds that a command waits for an execution. A function that was idle for weeks needs a minute or two to start. */
const MAX_WAIT_MS = 180_000

/** Characters of a function's error message that are printed at most. */
const MAX_MESSAGE_LENGTH = 1000

/** An execution of check or of set-admin failed; `error` is the name of the execution's error. */
export class ExecutionFailure extends CommandError {
  readonly error: string
  constructor(what: string, error: string, message: string) {
    super(EXIT.failed, `${what}: ${error}: ${message}`, remedyOf(error))
    this.error = error
  }
}

/**
 * `onSlow` is called once with a text for the user if the execution takes long, `input` is added to the execution's input, and
 * `failureText` is what the user is told if the execution fails, before its error.
 */
type RunOptions = { signal: AbortSignal; onSlow(text: string): void; input?: object; failureText?: string }

/**
 * Runs an execution about one credential, and waits at most three minutes for it to succeed.
 * @param machine the ARN of the state machine
 * @throws ExecutionFailure if it fails; CommandError with EXIT.stopped if it takes longer; AbortError if `signal` is aborted
 */
export async function runExecution(
  context: Context,
  machine: string,
  { store, name: id }: FoundCredential,
  { signal, onSlow, input = {}, failureText = 'there is no result' }: RunOptions,
): Promise<DescribeExecutionOutput> {
  const execution = await startExecution(context, machine, { store, id, ...input })
  const end = await waitForEnd(context, execution, signal, slowNotice(onSlow))
  if (end.status === 'SUCCEEDED') return end
  const { error = `${end.status}`, cause } = end
  const message = sanitize(errorMessageIn(cause) ?? `see ${execution}`).slice(0, MAX_MESSAGE_LENGTH)
  throw new ExecutionFailure(failureText, sanitize(error).slice(0, 100), message)
}

/** Waits for the end of an execution. @throws CommandError if that takes too long or AWS refuses; AbortError */
async function waitForEnd(
  context: Context,
  execution: string,
  signal: AbortSignal,
  onPoll: () => Promise<void>,
): Promise<DescribeExecutionOutput> {
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(), MAX_WAIT_MS)
  try {
    return await waitForExecution(context, execution, AbortSignal.any([signal, timeout.signal]), onPoll)
  } catch (error) {
    if (signal.aborted) throw error
    const goesOn = `The execution goes on: ${sanitize(execution)}. The same command again starts another.`
    if (timeout.signal.aborted)
      throw new CommandError(EXIT.stopped, 'there was no answer within three minutes', goesOn)
    const explained = explainError(error)
    if (!(explained instanceof CommandError)) throw error
    throw new CommandError(
      explained.code,
      `the execution ${sanitize(execution)} cannot be read: ${explained.message}`,
      explained.remedy,
    )
  } finally {
    clearTimeout(timer)
  }
}

/** A function for `onPoll` that tells the user once, after some seconds, why the result may take long. */
function slowNotice(onSlow: (text: string) => void): () => Promise<void> {
  const startedAt = Date.now()
  let hasNotified = false
  return async () => {
    if (hasNotified || Date.now() - startedAt < SLOW_AFTER_MS) return
    hasNotified = true
    onSlow('still waiting: a function that was idle for weeks needs a minute or two')
  }
}

/** Parses the JSON output of an execution. @returns undefined if it is not JSON */
export function parseOutput(output = ''): unknown {
  try {
    return JSON.parse(output)
  } catch {
    return undefined
  }
}
