import type { Attempt } from '../fleet/executions.ts'
import type { RemainingTime } from '../fleet/poll.ts'
import { findLatestProgress, waitForCreateSecretThenEnd, waitForStep } from '../fleet/waitForStep.ts'
import { InvalidInput, RotationError } from '../rotation/errors.ts'
import type { StorePipeline } from '../rotation/pipeline.ts'
import { checkRotation, createSecret } from '../rotation/steps.ts'
import { parseServiceEvent, type ServiceEvent } from './shared/event.ts'
import { logger } from './shared/handler.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { stepHandler } from './shared/stepHandler.ts'

const { executions } = pipelines

/** Milliseconds of the function's time that are left for an answer. */
const RESERVE_MS = 60_000

/**
 * The rotation function of a secret. Secrets Manager calls it for one step after the other; a call is answered when
 * the rotation's execution has passed that step, or throws what the execution failed with. The first call waits for the
 * whole rotation, so that each later one mostly needs one look. After a failure the service begins again, with the same
 * token: that is a new attempt.
 */
export const handler = stepHandler(
  'rotateSecret',
  pipelines,
  parseServiceEvent,
  async (pipeline, event, context) => {
    const { step, rotation } = event
    if (step === 'createSecret')
      return waitForCreateSecretThenEnd(
        executions,
        await findOrBeginAttempt(event, context),
        context,
        RESERVE_MS,
      )
    const found = await findLatestProgress(executions, rotation.token, context, RESERVE_MS)
    if (found) return waitForStep(executions, found, step, context, RESERVE_MS)
    // A schedule was set, with RotateImmediately=false: the service asks only whether a rotation would go well.
    if (step === 'testSecret') return checkRotation(pipeline, rotation)
    throw new InvalidInput(`Step: ${step} was called before createSecret`)
  },
)

/**
 * The attempt that a call for createSecret is for: the last one that there is, unless that failed, or a new one. Mostly it
 * is the first, so that is started without a look, which a RotationToken does not allow: nothing may be written by it once
 * an execution runs.
 */
async function findOrBeginAttempt(
  { rotation, rotationToken }: ServiceEvent,
  clock: RemainingTime,
): Promise<Attempt> {
  const { token } = rotation
  const first = { token, number: 1 }
  if (!rotationToken && (await executions.startOrJoin(first, rotation))) return first
  const last = await findLatestProgress(executions, token, clock, RESERVE_MS)
  if (last && last.status !== 'FAILED') return last
  if (rotationToken) await createWithRotationToken(pipelines.withRotationToken(rotationToken), rotation)
  const next = { token, number: (last?.number ?? 0) + 1 }
  await executions.startOrJoin(next, rotation)
  return next
}

/**
 * Writes the new value with the service's RotationToken, as that must not go through an execution, whose input can be
 * read: the execution's createSecret then finds the value and keeps it. An error is left to the execution, which meets
 * it too: it retries, rolls an abandoned rotation back, and tells of a failure. Should it then write the value itself,
 * without the RotationToken, that matters only to a secret of another account, and the service's next attempt mends it.
 */
async function createWithRotationToken(
  pipeline: StorePipeline,
  rotation: ServiceEvent['rotation'],
): Promise<void> {
  try {
    await createSecret(pipeline, rotation)
  } catch (error) {
    if (!(error instanceof RotationError)) throw error
    logger.warn('left to the execution', { error: error.name, reason: error.message })
  }
}
