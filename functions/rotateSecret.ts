import type { Attempt } from '../fleet/executions.ts'
import type { RemainingTime } from '../fleet/poll.ts'
import { findLatestProgress, waitForCreateSecretThenEnd, waitForStep } from '../fleet/waitForStep.ts'
import { InvalidInput, RotationError } from '../rotation/errors.ts'
import type { StorePipeline } from '../rotation/pipeline.ts'
import { checkRotation, createSecret } from '../rotation/steps.ts'
import { logger } from './shared/logger.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { parseServiceEvent, type ServiceEvent } from './shared/serviceEvent.ts'
import { stepHandler } from './shared/stepHandler.ts'

const { executions } = pipelines

/** Milliseconds of the function's time that are kept for its answer: a wait ends that long before the time does. */
const RESERVE_MS = 60_000

/**
 * The rotation function of a secret, which Secrets Manager calls for one step after the other:
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
 *
 * The rotation itself is an execution of the state machine. The call for createSecret waits for the whole rotation, if the time of
 * the function suffices. Each later call returns once the execution has passed the step that the call is for, which mostly takes
 * one look at the execution. If the execution failed, the call throws the execution's error. Secrets Manager then calls
 * createSecret again with the same token, which starts a new attempt.
 * @throws InvalidInput a step was called before createSecret
 * @throws RotationInProgress time ran out, and Secrets Manager calls again
 * @throws ExecutionFailed with the name and the message of the error that the execution failed with
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
    // Setting a schedule with RotateImmediately=false makes Secrets Manager call testSecret alone, to test the configuration:
    // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
    if (step === 'testSecret') return checkRotation(pipeline, rotation)
    throw new InvalidInput(`Step: ${step} was called before createSecret`)
  },
)

/**
 * The attempt that a call for createSecret is about: the last one, or a new one if there is none or the last one failed. If the
 * call brought a RotationToken, rotateSecret writes the value itself before it starts an attempt. Then it first looks for an
 * attempt, because it must not write while an execution runs. Without a RotationToken it tries to start the first attempt at once.
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
 * Writes the new value with the RotationToken that Secrets Manager passed. That token must not be in the input of an execution,
 * where others can read it. So rotateSecret writes the value, and the execution's createSecret finds and keeps it.
 *
 * An error here is only logged, as the execution meets the same error: the execution then retries, rolls an abandoned rotation back
 * or announces the failure. If the execution's createSecret writes the value in the end, it does so without the RotationToken. By
 * AWS's documentation that matters only where the function has assumed another role, or the secret is of another account. If that
 * attempt fails, Secrets Manager calls again, and the value is written with a RotationToken.
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
