import type { DescribeExecutionOutput } from '@aws-sdk/client-sfn'
import { errorMessageIn } from '../fleet/executions.ts'
import { remedyOf } from '../fleet/remedies.ts'
import { explainError } from './awsErrors.ts'
import type { Context } from './context.ts'
import type { FoundCredential } from './credential.ts'
import { startExecution, waitForExecution } from './execution.ts'
import { CommandError, EXIT } from './exit.ts'
import { sanitize } from './output.ts'

/** Milliseconds: a function that was idle for weeks takes a minute or two to begin. */
const [SLOW_AFTER_MS, MAX_WAIT_MS] = [3000, 180_000]

/** Characters of a text that came from the function. */
const MAX_MESSAGE_LENGTH = 1000

/** An execution of a check or of another small state machine did not come to a result; `error` is the name it failed with. */
export class ExecutionFailure extends CommandError {
  readonly error: string
  constructor(what: string, error: string, message: string) {
    super(EXIT.failed, `${what}: ${error}: ${message}`, remedyOf(error))
    this.error = error
  }
}

/** `fails` is what it means if it fails. */
type RunOptions = { signal: AbortSignal; slow(text: string): void; input?: object; fails?: string }

/**
 * Runs an execution that is about one credential to its good end, for three minutes at most.
 * @throws ExecutionFailure; CommandError with `stopped` if it takes too long; AbortError
 */
export async function runExecution(
  context: Context,
  machine: string,
  { store, name: id }: FoundCredential,
  { signal, slow, input = {}, fails = 'there is no result' }: RunOptions,
): Promise<DescribeExecutionOutput> {
  const execution = await startExecution(context, machine, { store, id, ...input })
  const end = await waitForEnd(context, execution, signal, slowNotice(slow))
  if (end.status === 'SUCCEEDED') return end
  const { error = `${end.status}`, cause } = end
  const message = sanitize(errorMessageIn(cause) ?? `see ${execution}`).slice(0, MAX_MESSAGE_LENGTH)
  throw new ExecutionFailure(fails, sanitize(error).slice(0, 100), message)
}

/** How an execution ended, unless that takes too long. @throws CommandError, AbortError */
async function waitForEnd(
  context: Context,
  execution: string,
  signal: AbortSignal,
  look: () => Promise<void>,
): Promise<DescribeExecutionOutput> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), MAX_WAIT_MS)
  try {
    return await waitForExecution(context, execution, AbortSignal.any([signal, late.signal]), look)
  } catch (error) {
    if (signal.aborted) throw error
    const goesOn = `It goes on: ${sanitize(execution)}. The same command again begins another.`
    if (late.signal.aborted)
      throw new CommandError(EXIT.stopped, 'there was no answer within three minutes', goesOn)
    const told = explainError(error)
    if (!(told instanceof CommandError)) throw error
    throw new CommandError(
      told.code,
      `${sanitize(execution)} cannot be looked at: ${told.message}`,
      told.remedy,
    )
  } finally {
    clearTimeout(timer)
  }
}

/** Tells once that it takes its time, and why that may be. */
function slowNotice(slow: (text: string) => void): () => Promise<void> {
  const from = Date.now()
  let said = false
  return async () => {
    if (said || Date.now() - from < SLOW_AFTER_MS) return
    said = true
    slow('still waiting: a function that was idle for weeks needs a minute or two')
  }
}

/** The output of an execution. */
export function parseOutput(output = ''): unknown {
  try {
    return JSON.parse(output)
  } catch {
    return undefined
  }
}
