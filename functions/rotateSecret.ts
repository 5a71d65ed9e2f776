import type { Attempt } from '../fleet/executions.ts'
import type { RemainingTime } from '../fleet/poll.ts'
import { findLatestProgress, waitForCreateSecretThenEnd, waitForStep } from '../fleet/waitForStep.ts'
import { InvalidInput, RotationError } from '../rotation/errors.ts'
import type { StorePipeline } from '../rotation/pipeline.ts'
import { checkRotation, createSecret } from '../rotation/steps.ts'
import { logger } from './shared/handler.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { parseServiceEvent, type ServiceEvent } from './shared/serviceEvent.ts'
import { stepHandler } from './shared/stepHandler.ts'

const { executions } = pipelines

/** Milliseconds of the function's time that are left for an answer when a wait ends. */
const RESERVE_MS = 60_000

/**
 * The rotation function of a secret, which Secrets Manager calls for one step after the other:
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
 *
 * The rotation itself is an execution of the state machine. The call for createSecret waits for the whole rotation, if its time
 * suffices. Each later call returns when the execution has passed the step that the call is for, which mostly takes one look at
 * the execution, or throws the error that the execution failed with. After a failure Secrets Manager calls createSecret again with the same
 * token, which starts a new attempt.
 * @throws InvalidInput a step was called before createSecret; RotationInProgress time ran out, and Secrets Manager calls again
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
 * The attempt that a call for createSecret is about: the last one, or a new one if there is none or the last one failed. With a
 * RotationToken this function writes the value itself. It looks for an attempt first then, because it must not write while an
 * execution runs. Without one it starts the first attempt without looking.
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
 * Writes the new value with the RotationToken that Secrets Manager passed. The token must not be in the input of an execution,
 * where others can read it, so this function writes the value, and the execution's createSecret finds and keeps it.
 *
 * An error here is only logged, as the execution meets the same error: it retries, rolls an abandoned rotation back and
 * announces a failure. If the execution then writes the value itself, it does so without the RotationToken. Only a secret of
 * another account needs that token, and the next attempt of Secrets Manager writes it with one.
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
