import { hash, randomUUID } from 'node:crypto'
import type { Embedded } from '../../local/embedded/embedded.ts'
import { runRotation, type Tasks } from '../../local/embedded/stateMachine.ts'

type RotateOptions = {
  /** ARN of the secret. */
  secret: string
  /** The grace time in milliseconds. */
  graceMs: number
  /** Milliseconds before a retry. */
  retryPauseMs?: number
  /**
   * Only of a rotation by a temporary clone, which has two executions: called when the first execution starts the second one, which
   * waits until this has ended.
   */
  whileOnClone?(): Promise<void>
}

/**
 * Rotates a secret to the end: runs one execution, and by a temporary clone also the second one, which the first one starts.
 * @param name the execution's name, which is also the token of the version that it makes. By default it is a random SHA-256 in hex:
 *   the state MoveBack names the second execution by a SHA-256 too.
 * @returns how many executions there were
 * @throws Error if one fails
 */
export async function rotateToEnd(
  embedded: Embedded,
  { secret, graceMs, retryPauseMs = 0, whileOnClone = async () => {} }: RotateOptions,
  name = hash('sha256', randomUUID()),
): Promise<number> {
  const secondExecutions: Promise<number>[] = []
  const tasks: Tasks = {
    ...embedded.tasks,
    // Stands in for Step Functions' StartExecution, by which the state MoveBack starts the second execution.
    MoveBack(input) {
      const { Name } = input as { Name: string }
      secondExecutions.push(
        whileOnClone().then(() => rotateToEnd(embedded, { secret, graceMs, retryPauseMs }, Name)),
      )
      return {}
    },
  }
  const input = { store: 'secrets-manager', id: secret }
  const { failure } = await runRotation(tasks, name, input, { graceMs, retryPauseMs })
  if (failure) throw new Error(`${secret}: a rotation failed: ${failure.cause.errorMessage}`)
  return (await Promise.all(secondExecutions)).reduce((sum, count) => sum + count, 1)
}
