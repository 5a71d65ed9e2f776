import { retire } from '../rotation/retire.ts'
import { parseRotationEvent } from './shared/event.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { stepHandler } from './shared/stepHandler.ts'

/**
 * Closes what this rotation replaced, after the grace time: makes no known password of the replaced user log in, or drops the user,
 * or discards its old password. Of a temporary clone it returns instead whether a second rotation has to move the application back.
 */
export const handler = stepHandler('retireSecret', pipelines, parseRotationEvent, (pipeline, { rotation }) =>
  retire(pipeline, rotation, rotation.replication?.empty),
)
