import { setSecret } from '../rotation/steps.ts'
import { parseRotationEvent } from './shared/event.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { stepHandler } from './shared/stepHandler.ts'

/** Makes the pending value valid in the database, so that it logs in. */
export const handler = stepHandler('setSecret', pipelines, parseRotationEvent, (pipeline, { rotation }) =>
  setSecret(pipeline, rotation),
)
