import type { RemainingTime } from '../../fleet/poll.ts'
import { AdminRefused, Conflict } from '../../rotation/errors.ts'
import type { StorePipeline } from '../../rotation/pipeline.ts'
import type { StoreName } from '../../rotation/stores/store.ts'
import { functionHandler } from './handler.ts'

/**
 * One Lambda function around one step of a rotation, with what it works with: only a step that asks a database takes
 * pipelines that reach one, as their drivers are in its package then. `retries` are the errors that the execution's definition retries
 * beyond those that the first one did: an execution keeps the definition that it began with.
 */
export function stepHandler<
  Its extends StorePipeline,
  Event extends { rotation: { store: StoreName; id: string; token: string }; retries?: string[] },
  Result,
>(
  step: string,
  pipelines: { of(store: StoreName): Promise<Its> },
  parse: (event: unknown) => Event,
  run: (pipeline: Its, event: Event, context: RemainingTime) => Promise<Result>,
) {
  const about = ({ rotation: { store, id, token } }: Event) => ({ store, id, token })
  return functionHandler(step, parse, about, async (event, context) => {
    try {
      return await run(await pipelines.of(event.rotation.store), event, context)
    } catch (error) {
      throw toRetriedError(error, event.retries)
    }
  })
}

/** The error by a name that the definition retries. */
function toRetriedError(error: unknown, retries: string[] = []): unknown {
  if (!(error instanceof AdminRefused) || retries.includes(error.name)) return error
  return new Conflict(error.message)
}
