import type { DescribeExecutionOutput } from '@aws-sdk/client-sfn'
import { messageIn } from '../fleet/executions.ts'
import { remedyOf } from '../fleet/remedies.ts'
import { explained } from './awsErrors.ts'
import type { Context } from './context.ts'
import type { Found } from './credentialId.ts'
import { ended, startExecution } from './execution.ts'
import { CommandError, exit } from './exit.ts'
import { plain } from './output.ts'

/** Milliseconds: a function that was idle for weeks takes a minute or two to begin. */
const [SLOW, LONGEST] = [3000, 180_000]

/** Characters of a text that came from the function. */
const MOST = 1000

/** An execution of a check or of another small state machine did not come to a result; `error` is the name it failed with. */
export class ExecutionFailure extends CommandError {
  readonly error: string
  constructor(what: string, error: string, message: string) {
    super(exit.failed, `${what}: ${error}: ${message}`, remedyOf(error))
    this.error = error
  }
}

/** `fails` is what it means if it fails. */
type Waiting = { signal: AbortSignal; slow(text: string): void; input?: object; fails?: string }

/**
 * Runs an execution that is about one credential to its good end, for three minutes at most.
 * @throws ExecutionFailure; CommandError with `stopped` if it takes too long; AbortError
 */
export async function runExecution(
  context: Context,
  machine: string,
  { store, name: id }: Found,
  { signal, slow, input = {}, fails = 'there is no result' }: Waiting,
): Promise<DescribeExecutionOutput> {
  const execution = await startExecution(context, machine, { store, id, ...input })
  const end = await endOf(context, execution, signal, saysOnce(slow))
  if (end.status === 'SUCCEEDED') return end
  const { error = `${end.status}`, cause } = end
  const message = plain(messageIn(cause) ?? `see ${execution}`).slice(0, MOST)
  throw new ExecutionFailure(fails, plain(error).slice(0, 100), message)
}

/** How an execution ended, unless that takes too long. @throws CommandError, AbortError */
async function endOf(
  context: Context,
  execution: string,
  signal: AbortSignal,
  look: () => Promise<void>,
): Promise<DescribeExecutionOutput> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), LONGEST)
  try {
    return await ended(context, execution, AbortSignal.any([signal, late.signal]), look)
  } catch (error) {
    if (signal.aborted) throw error
    const goesOn = `It goes on: ${plain(execution)}. The same command again begins another.`
    if (late.signal.aborted)
      throw new CommandError(exit.stopped, 'there was no answer within three minutes', goesOn)
    const told = explained(error)
    if (!(told instanceof CommandError)) throw error
    throw new CommandError(told.code, `${plain(execution)} cannot be looked at: ${told.message}`, told.remedy)
  } finally {
    clearTimeout(timer)
  }
}

/** Tells once that it takes its time, and why that may be. */
function saysOnce(slow: (text: string) => void): () => Promise<void> {
  const from = Date.now()
  let said = false
  return async () => {
    if (said || Date.now() - from < SLOW) return
    said = true
    slow('still waiting: a function that was idle for weeks needs a minute or two')
  }
}

/** The output of an execution. */
export function jsonIn(output = ''): unknown {
  try {
    return JSON.parse(output)
  } catch {
    return undefined
  }
}
