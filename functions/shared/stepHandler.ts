import type { RemainingTime } from '../../fleet/poll.ts'
import { AdminRefused, Conflict } from '../../rotation/errors.ts'
import type { StorePipeline } from '../../rotation/pipeline.ts'
import type { StoreName } from '../../rotation/stores/store.ts'
import { functionHandler } from './handler.ts'

/**
 * Makes the handler of a Lambda function that does one step of a rotation or, as rotateSecret, answers Secrets Manager's call for one.
 *
 * An execution keeps the definition that its state machine had when it began, so a new release's function may be called by an
 * older definition. `retries` in the event names the errors that the calling definition retries and that the first release's did
 * not. An AdminRefused that the definition does not retry is thrown as a Conflict, which every definition retries.
 * @param step the name of the function
 * @param pipelines those of ownPipelines.ts if the step connects to a database, else those of ownStorePipelines.ts, with which
 *   the function's package has no database driver
 * @param parse parses the event
 * @param run does the step
 */
export function stepHandler<
  StepPipeline extends StorePipeline,
  Event extends { rotation: { store: StoreName; id: string; token: string }; retries?: string[] },
  Result,
>(
  step: string,
  pipelines: { of(store: StoreName): Promise<StepPipeline> },
  parse: (event: unknown) => Event,
  run: (pipeline: StepPipeline, event: Event, context: RemainingTime) => Promise<Result>,
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

/** The error itself, or a Conflict in place of an AdminRefused that the execution's definition does not retry. */
function toRetriedError(error: unknown, retries: string[] = []): unknown {
  if (!(error instanceof AdminRefused) || retries.includes(error.name)) return error
  return new Conflict(error.message)
}
