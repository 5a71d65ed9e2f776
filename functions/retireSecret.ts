import { retire } from '../rotation/steps.ts'
import { rotationEvent } from './event.ts'
import { stepHandler } from './stepHandler.ts'

/** Locks the user that this rotation replaced, after the grace time. */
export const handler = stepHandler('retireSecret', rotationEvent, (pipeline, { rotation }) =>
  retire(pipeline, rotation),
)
