import { finish } from '../rotation/steps.ts'
import { rotationEvent } from './event.ts'
import { count } from './handler.ts'
import { stepHandler } from './stepHandler.ts'

/** Makes the pending value current. */
export const handler = stepHandler('finishSecret', rotationEvent, async (pipeline, { rotation }) => {
  await finish(pipeline, rotation)
  count('CredentialRotated', { engine: rotation.engine, strategy: rotation.strategy })
})
