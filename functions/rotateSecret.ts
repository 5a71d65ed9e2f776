import type { Attempt, Executions } from '../fleet/executions.ts'
import { passed } from '../fleet/waitForStep.ts'
import { InvalidInput, RotationError } from '../rotation/errors.ts'
import type { Pipeline } from '../rotation/pipeline.ts'
import { check, create } from '../rotation/steps.ts'
import { type ServiceEvent, serviceEvent } from './shared/event.ts'
import { logger } from './shared/handler.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { stepHandler } from './shared/stepHandler.ts'

const { executions } = pipelines

/** Milliseconds of the function's time that are left for an answer. */
const RESERVE = 60_000

/**
 * The rotation function of a secret. Secrets Manager calls it for one step after the other; a call is answered when
 * the rotation's execution has passed that step, or throws what the execution failed with. After a failure the
 * service begins again, with the same token: that is a new attempt.
 */
export const handler = stepHandler('rotateSecret', serviceEvent, async (pipeline, event, context) => {
  const { step, rotation } = event
  const found = await executions.latest(rotation.token)
  if (step === 'createSecret') {
    const attempt = found && !failed(found) ? found : await begin(event, (found?.number ?? 0) + 1)
    await passed(executions, attempt, step, context, RESERVE)
  } else if (found) await passed(executions, found, step, context, RESERVE)
  // A schedule was set, with RotateImmediately=false: the service asks only whether a rotation would go well.
  else if (step === 'testSecret') await check(pipeline, rotation)
  else throw new InvalidInput(`Step: ${step} was called before createSecret`)
})

const failed = ({ status }: NonNullable<Awaited<ReturnType<Executions['latest']>>>) =>
  status !== 'RUNNING' && status !== 'SUCCEEDED'

async function begin({ rotation, rotationToken }: ServiceEvent, number: number): Promise<Attempt> {
  const { token } = rotation
  if (rotationToken) await createOnBehalf(await pipelines.onBehalf(rotationToken), rotation)
  await executions.start({ token, number }, rotation)
  return { token, number }
}

/**
 * Writes the new value with the service's RotationToken, as that must not go through an execution, whose input can be
 * read: the execution's createSecret then finds the value and keeps it. An error is left to the execution, which meets
 * it too: it retries, rolls an abandoned rotation back, and tells of a failure. Should it then write the value itself,
 * without the RotationToken, that matters only to a secret of another account, and the service's next attempt mends it.
 */
async function createOnBehalf(pipeline: Pipeline, rotation: ServiceEvent['rotation']): Promise<void> {
  try {
    await create(pipeline, rotation)
  } catch (error) {
    if (!(error instanceof RotationError)) throw error
    logger.warn('left to the execution', { error: error.name, reason: error.message })
  }
}
