import type { Pipeline } from '../rotation/pipeline.ts'
import type { StoreName } from '../rotation/stores/store.ts'
import { type Context, functionHandler } from './handler.ts'
import { pipelineFor } from './pipeline.ts'

/** One Lambda function around one step of a rotation. */
export function stepHandler<
  Event extends { rotation: { store: StoreName; id: string; token: string } },
  Result,
>(
  step: string,
  parse: (event: unknown) => Event,
  run: (pipeline: Pipeline, event: Event, context: Context) => Promise<Result>,
) {
  const about = ({ rotation: { store, id, token } }: Event) => ({ store, id, token })
  return functionHandler(step, parse, about, async (event, context) =>
    run(await pipelineFor(event.rotation.store), event, context),
  )
}
