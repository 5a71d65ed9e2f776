import { retire } from '../rotation/retire.ts'
import { parseRotationEvent } from './shared/event.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { stepHandler } from './shared/stepHandler.ts'

/**
 * Closes what this rotation replaced, after the grace time: the replaced user gets a password that nobody knows or is
 * dropped, or its old password stops logging in. Of a
 * temporary clone it returns instead whether a second rotation has to move the application back.
 */
export const handler = stepHandler('retireSecret', pipelines, parseRotationEvent, (pipeline, { rotation }) =>
  retire(pipeline, rotation, rotation.replication?.empty),
)
