import { hash, randomUUID } from 'node:crypto'
import type { Embedded } from '../../local/embedded/embedded.ts'
import { runRotation, type Tasks } from '../../local/embedded/stateMachine.ts'

type RotateOptions = {
  secret: string
  /** Milliseconds between what was replaced and its end. */
  graceMs: number
  /** Milliseconds before a retry. */
  retryPauseMs?: number
  /** What is done between the two halves of a change that has such. */
  whileOnClone?(): Promise<void>
}

/**
 * Runs one execution, and the one that it starts if it is the first of two halves.
 * @returns how many there were
 * @throws if one fails
 */
export async function rotateToEnd(
  embedded: Embedded,
  { secret, graceMs, retryPauseMs = 0, whileOnClone = async () => {} }: RotateOptions,
  name = hash('sha256', randomUUID()),
): Promise<number> {
  const following: Promise<number>[] = []
  const tasks: Tasks = {
    ...embedded.tasks,
    MoveBack(input) {
      const { Name } = input as { Name: string }
      following.push(
        whileOnClone().then(() => rotateToEnd(embedded, { secret, graceMs, retryPauseMs }, Name)),
      )
      return {}
    },
  }
  const input = { store: 'secrets-manager', id: secret }
  const { failure } = await runRotation(tasks, name, input, { graceMs, retryPauseMs })
  if (failure) throw new Error(`${secret}: a rotation failed: ${failure.cause.errorMessage}`)
  return (await Promise.all(following)).reduce((all, some) => all + some, 1)
}
