import { MetricUnit } from '@aws-lambda-powertools/metrics'
import { finish } from '../rotation/steps.ts'
import { rotationEvent } from './event.ts'
import { count, measure } from './handler.ts'
import { stepHandler } from './stepHandler.ts'

/** Makes the pending value current. */
export const handler = stepHandler('finishSecret', rotationEvent, async (pipeline, { rotation, started }) => {
  await finish(pipeline, rotation)
  const kind = { engine: rotation.engine, strategy: rotation.strategy }
  count('CredentialRotated', kind)
  if (started) measure('RotationDuration', Date.now() - started.getTime(), MetricUnit.Milliseconds, kind)
})
