import { randomUUID } from 'node:crypto'
import { executionName, latestAttempt } from '../fleet/executions.ts'
import { pendingIn } from '../fleet/pending.ts'
import { isToken } from '../fleet/token.ts'
import type { Context } from './context.ts'
import type { Found, FoundSecret } from './credentialId.ts'
import { startExecution } from './execution.ts'
import { CommandError, exit } from './exit.ts'
import { rotateSecret } from './rotateSecret.ts'
import { executionsOf, outputOf, type Stack } from './stack.ts'

/**
 * A rotation that was begun, or that runs already. `note` is what a person should know of how; `byService` is set where
 * Secrets Manager began it, which tries again by itself.
 */
export type Begun = { executionArn: string; note?: string; byService?: true }

/**
 * Begins a rotation: by Secrets Manager if that rotates the secret with this stack, else by an execution of its own. One
 * that runs already is not begun anew.
 * @throws CommandError, or what AWS throws; then nothing was begun
 */
export async function begin(context: Context, stack: Stack, found: Found): Promise<Begun> {
  const token = randomUUID()
  const executionArn = `${executionsOf(stack)}:${token}`
  if (found.store === 'secrets-manager' && found.secret.DeletedDate) throw deleted(found)
  const pending = await pendingOf(context, found)
  const left = pending ? await lastAttempt(context, stack, pending) : undefined
  if (left && left.status === 'RUNNING')
    return { executionArn: left.executionArn, note: 'A rotation of it runs already, and no other was begun.' }
  // What has succeeded has become current since it was read.
  const stuck = left?.status === 'SUCCEEDED' ? undefined : pending
  if (!stuck && found.store === 'secrets-manager' && isRotatedBy(stack, found)) {
    await rotateSecret(context, found, { ClientRequestToken: token })
    return { executionArn, byService: true }
  }
  await startExecution(
    context,
    outputOf(stack, 'RotateStateMachineArn'),
    { store: found.store, id: found.name },
    token,
  )
  return { executionArn, ...(stuck && { note: abandoned(stuck) }) }
}

/** The version that is pending and not current, if there is one. No value is read. */
export async function pendingOf({ clients }: Context, found: Found): Promise<string | undefined> {
  if (found.store === 'secrets-manager') return pendingIn(found.secret.VersionIdsToStages)
  const { pendingTokenOf } = await import('../fleet/parameters.ts')
  return pendingTokenOf(await clients.parameters(), found.name)
}

/** Starts a run of all that is due. @returns the ARN of its execution */
export async function beginRun(context: Context, stack: Stack): Promise<string> {
  return startExecution(context, outputOf(stack, 'RotateDueStateMachineArn'), {})
}

/** Whether Secrets Manager rotates a secret by this stack's function. */
export const isRotatedBy = (stack: Stack, { secret }: FoundSecret): boolean =>
  secret.RotationEnabled === true && secret.RotationLambdaARN === outputOf(stack, 'RotateSecretFunctionArn')

const deleted = ({ name }: FoundSecret) =>
  new CommandError(
    exit.usage,
    `${name} is marked for deletion`,
    'If it is to go on: aws secretsmanager restore-secret, then rotate it.',
  )

/** Secrets Manager itself would begin no other rotation of such a secret; an execution does. */
const abandoned = (pending: string) =>
  `An earlier rotation died and left its version ${pending} pending: this one takes that back first.`

/** The last attempt under a token, if it had one. */
export async function lastAttempt({ clients }: Context, stack: Stack, token: string) {
  if (!isToken(token)) return undefined
  const { DescribeExecutionCommand } = await import('@aws-sdk/client-sfn')
  const client = await clients.stepFunctions()
  return latestAttempt(async number => {
    const executionArn = `${executionsOf(stack)}:${executionName({ token, number })}`
    const found = await client.send(new DescribeExecutionCommand({ executionArn })).catch(error => {
      if (error.name !== 'ExecutionDoesNotExist') throw error
      return undefined
    })
    return found && { executionArn, status: found.status }
  })
}
