import { retire } from '../rotation/retire.ts'
import { parseRotationEvent } from './shared/event.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { stepHandler } from './shared/stepHandler.ts'

/**
 * Closes what this rotation replaced, after the grace time: the replaced user can no longer log in, or is dropped, or its old
 * password is discarded. If the application is on a temporary clone, nothing is closed yet, and the outcome is `halfway`: a second
 * rotation has to move the application back.
 */
export const handler = stepHandler('retireSecret', pipelines, parseRotationEvent, (pipeline, { rotation }) =>
  // `empty` lists Regions without a copy of the secret, where no application can be refused.
  retire(pipeline, rotation, rotation.replication?.empty),
)
