import { randomUUID } from 'node:crypto'
import { executionName, latestAttempt } from '../fleet/executions.ts'
import { isToken } from '../fleet/token.ts'
import { pendingVersionIn } from '../fleet/versionLabels.ts'
import type { Context } from './context.ts'
import type { FoundCredential, FoundSecret } from './credential.ts'
import { startExecution } from './execution.ts'
import { usageError } from './exit.ts'
import { rotateSecret } from './rotateSecret.ts'
import { outputOf, rotationArnPrefix, type Stack } from './stack.ts'

/**
 * A rotation that was begun, or that was running already. `note` is a sentence for the user about how the rotation began.
 * `bySecretsManager` is set if Secrets Manager began the rotation: Secrets Manager tries again by itself if the rotation fails.
 */
export type BegunRotation = { executionArn: string; note?: string; bySecretsManager?: true }

/**
 * Begins a rotation: with RotateSecret if Secrets Manager rotates the secret with this stack's function, else with an execution
 * of the stack's own state machine. If a rotation is running and has stored its new value as pending, no other is begun.
 * @returns that rotation, new or running
 * @throws CommandError, or what AWS throws; then nothing was begun
 */
export async function beginRotation(
  context: Context,
  stack: Stack,
  found: FoundCredential,
): Promise<BegunRotation> {
  const token = randomUUID()
  const executionArn = `${rotationArnPrefix(stack)}:${token}`
  if (found.store === 'secrets-manager' && found.secret.DeletedDate) throw deletedSecretError(found)
  const pending = await findPendingVersion(context, found)
  const lastAttempt = pending ? await findLastAttempt(context, stack, pending) : undefined
  if (lastAttempt && lastAttempt.status === 'RUNNING')
    return {
      executionArn: lastAttempt.executionArn,
      note: 'A rotation of this credential is running already, and no other was begun.',
    }
  // If the attempt has succeeded, its version became current after it was read as pending: then no version is abandoned.
  const abandoned = lastAttempt?.status === 'SUCCEEDED' ? undefined : pending
  // RotateSecret refuses a secret with an abandoned version; the stack's own execution rolls that version back first:
  // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
  if (!abandoned && found.store === 'secrets-manager' && isRotatedByStack(stack, found)) {
    await rotateSecret(context, found, { ClientRequestToken: token })
    return { executionArn, bySecretsManager: true }
  }
  await startExecution(
    context,
    outputOf(stack, 'RotateStateMachineArn'),
    { store: found.store, id: found.name },
    token,
  )
  return { executionArn, ...(abandoned && { note: abandonedText(abandoned) }) }
}

/** The id of the version that is pending and not current, if there is one. No value is read. */
export async function findPendingVersion(
  { clients }: Context,
  found: FoundCredential,
): Promise<string | undefined> {
  if (found.store === 'secrets-manager') return pendingVersionIn(found.secret.VersionIdsToStages)
  const { findPendingToken } = await import('../fleet/parameters.ts')
  return findPendingToken(await clients.parameters(), found.name)
}

/** Starts a run that rotates every credential that is due. @returns the ARN of the run's execution */
export async function startDueRun(context: Context, stack: Stack): Promise<string> {
  return startExecution(context, outputOf(stack, 'RotateDueStateMachineArn'), {})
}

/** Whether Secrets Manager rotates a secret with this stack's rotation function. */
export const isRotatedByStack = (stack: Stack, { secret }: FoundSecret): boolean =>
  secret.RotationEnabled === true && secret.RotationLambdaARN === outputOf(stack, 'RotateSecretFunctionArn')

const deletedSecretError = ({ name }: FoundSecret) =>
  usageError(
    `${name} is marked for deletion`,
    'To keep it, call aws secretsmanager restore-secret, then rotate it.',
  )

/** What to say about a version that an earlier rotation left pending. */
const abandonedText = (pending: string) =>
  `An earlier rotation was cut off and left its version ${pending} pending: this one rolls that version back first.`

/**
 * The last execution that tried to make a version current, if there was one: a rotation that fails may be tried again.
 * @param token the version's id, from which the names of these executions are made
 */
export async function findLastAttempt({ clients }: Context, stack: Stack, token: string) {
  if (!isToken(token)) return undefined
  const { DescribeExecutionCommand } = await import('@aws-sdk/client-sfn')
  const client = await clients.stepFunctions()
  return latestAttempt(async number => {
    const executionArn = `${rotationArnPrefix(stack)}:${executionName({ token, number })}`
    const found = await client.send(new DescribeExecutionCommand({ executionArn })).catch(error => {
      if (error.name !== 'ExecutionDoesNotExist') throw error
      return undefined
    })
    return found && { executionArn, status: found.status }
  })
}
