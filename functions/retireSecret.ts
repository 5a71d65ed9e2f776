import { retire } from '../rotation/retire.ts'
import { parseRotationEvent } from './shared/event.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { stepHandler } from './shared/stepHandler.ts'

/** Closes what this rotation replaced, after the grace time; or says that another rotation has to follow. */
export const handler = stepHandler('retireSecret', pipelines, parseRotationEvent, (pipeline, { rotation }) =>
  retire(pipeline, rotation, rotation.replication?.empty),
)
