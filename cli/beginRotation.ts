import { randomUUID } from 'node:crypto'
import { executionName, latestAttempt } from '../fleet/executions.ts'
import { isToken } from '../fleet/token.ts'
import { pendingVersionIn } from '../fleet/versionLabels.ts'
import type { Context } from './context.ts'
import type { FoundCredential, FoundSecret } from './credential.ts'
import { startExecution } from './execution.ts'
import { CommandError, EXIT } from './exit.ts'
import { rotateSecret } from './rotateSecret.ts'
import { outputOf, rotationArnPrefix, type Stack } from './stack.ts'

/**
 * A rotation that was begun, or that runs already. `note` is what a person should know of how; `bySecretsManager` is set where
 * Secrets Manager began it, which tries again by itself.
 */
export type BegunRotation = { executionArn: string; note?: string; bySecretsManager?: true }

/**
 * Begins a rotation: by Secrets Manager if that rotates the secret with this stack, else by an execution of its own. One
 * that runs already is not begun anew.
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
  const left = pending ? await findLastAttempt(context, stack, pending) : undefined
  if (left && left.status === 'RUNNING')
    return { executionArn: left.executionArn, note: 'A rotation of it runs already, and no other was begun.' }
  // What has succeeded has become current since it was read.
  const stuck = left?.status === 'SUCCEEDED' ? undefined : pending
  if (!stuck && found.store === 'secrets-manager' && isRotatedByStack(stack, found)) {
    await rotateSecret(context, found, { ClientRequestToken: token })
    return { executionArn, bySecretsManager: true }
  }
  await startExecution(
    context,
    outputOf(stack, 'RotateStateMachineArn'),
    { store: found.store, id: found.name },
    token,
  )
  return { executionArn, ...(stuck && { note: abandonedText(stuck) }) }
}

/** The version that is pending and not current, if there is one. No value is read. */
export async function findPendingVersion(
  { clients }: Context,
  found: FoundCredential,
): Promise<string | undefined> {
  if (found.store === 'secrets-manager') return pendingVersionIn(found.secret.VersionIdsToStages)
  const { findPendingToken } = await import('../fleet/parameters.ts')
  return findPendingToken(await clients.parameters(), found.name)
}

/** Starts a run of all that is due. @returns the ARN of its execution */
export async function startDueRun(context: Context, stack: Stack): Promise<string> {
  return startExecution(context, outputOf(stack, 'RotateDueStateMachineArn'), {})
}

/** Whether Secrets Manager rotates a secret by this stack's function. */
export const isRotatedByStack = (stack: Stack, { secret }: FoundSecret): boolean =>
  secret.RotationEnabled === true && secret.RotationLambdaARN === outputOf(stack, 'RotateSecretFunctionArn')

const deletedSecretError = ({ name }: FoundSecret) =>
  new CommandError(
    EXIT.usage,
    `${name} is marked for deletion`,
    'If it is to go on: aws secretsmanager restore-secret, then rotate it.',
  )

/** Secrets Manager itself would begin no other rotation of such a secret; an execution does. */
const abandonedText = (pending: string) =>
  `An earlier rotation died and left its version ${pending} pending: this one takes that back first.`

/** The last attempt under a token, if it had one. */
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
