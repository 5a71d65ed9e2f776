import { set } from '../rotation/steps.ts'
import { rotationEvent } from './shared/event.ts'
import { stepHandler } from './shared/stepHandler.ts'

/** Makes the pending value valid in the database. */
export const handler = stepHandler('setSecret', rotationEvent, (pipeline, { rotation }) =>
  set(pipeline, rotation),
)
