import { MetricUnit } from '@aws-lambda-powertools/metrics'
import { finish } from '../rotation/steps.ts'
import { rotationEvent } from './shared/event.ts'
import { count, measure } from './shared/metrics.ts'
import { stepHandler } from './shared/stepHandler.ts'

/** Milliseconds after which an execution was retried, or redriven, and others may have met what it left. */
const PROMPT = 60_000

/** Makes the pending value current. */
export const handler = stepHandler('finishSecret', rotationEvent, async (pipeline, { rotation, started }) => {
  const late = !started || Date.now() - started.getTime() > PROMPT
  await finish(pipeline, rotation, { late })
  const kind = { engine: rotation.engine, strategy: rotation.strategy }
  count('CredentialRotated', kind)
  if (started) measure('RotationDuration', Date.now() - started.getTime(), MetricUnit.Milliseconds, kind)
})
