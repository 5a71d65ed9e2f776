import { create } from '../rotation/steps.ts'
import { startEvent } from './event.ts'
import { stepHandler } from './stepHandler.ts'

/** Writes the new value as pending. Its result is the state that the later steps get. */
export const handler = stepHandler('createSecret', startEvent, async (pipeline, { rotation }) => ({
  store: rotation.store,
  ...(rotation.group !== undefined && { group: rotation.group }),
  ...(await create(pipeline, rotation)),
}))
