import { MetricUnit } from '@aws-lambda-powertools/metrics'
import { rehearseFinish } from '../rotation/rehearse.ts'
import { finishSecret } from '../rotation/steps.ts'
import { parseRotationEvent } from './shared/event.ts'
import { count, measure } from './shared/metrics.ts'
import { storePipelines } from './shared/ownStorePipelines.ts'
import { acceptRehearsal } from './shared/rehearsal.ts'
import { stepHandler } from './shared/stepHandler.ts'

/**
 * If more milliseconds have gone by since the execution began, it has probably been retried or redriven, and another rotation may
 * have rolled this one back meanwhile.
 */
const RETRY_ASSUMED_AFTER_MS = 60_000

/** Makes the pending value current, or rehearses that. */
export const handler = stepHandler(
  'finishSecret',
  storePipelines,
  acceptRehearsal(parseRotationEvent),
  async (pipeline, event) => {
    const { rehearses, rotation, started } = event
    if (rehearses) return rehearseFinish(pipeline, rotation)
    // The time counts from the end of the wait for replicas before SetSecret: until then nothing was changed.
    const since = rotation.pendingReplication?.until ?? started
    const mustStillBePending = !since || Date.now() - since.getTime() > RETRY_ASSUMED_AFTER_MS
    await finishSecret(pipeline, rotation, { mustStillBePending })
    const kind = { engine: rotation.engine, strategy: rotation.strategy }
    count('CredentialRotated', kind)
    if (started) measure('RotationDuration', Date.now() - started.getTime(), MetricUnit.Milliseconds, kind)
  },
)
