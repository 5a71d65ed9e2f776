import type { RotateSecretRequest } from '@aws-sdk/client-secrets-manager'
import { isAccessDenied } from '../rotation/callAws.ts'
import type { Context } from './context.ts'
import type { FoundSecret } from './credential.ts'
import { CommandError, EXIT } from './exit.ts'

/**
 * Calls RotateSecret. Secrets Manager sets the rotation function and the schedule, if the request has them, and rotates the secret
 * now, unless RotateImmediately is false.
 * @throws CommandError if AWS refuses for a known reason; else what AWS throws
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html which also says that the caller needs
 * lambda:InvokeFunction
 */
export async function rotateSecret(
  { clients }: Context,
  { arn, name }: FoundSecret,
  request: Omit<RotateSecretRequest, 'SecretId'>,
): Promise<void> {
  const { RotateSecretCommand } = await import('@aws-sdk/client-secrets-manager')
  const client = await clients.secrets()
  await client.send(new RotateSecretCommand({ SecretId: arn, ...request })).catch(error => {
    if (isAccessDenied(error) && /lambda/i.test(error.message))
      throw new CommandError(
        EXIT.denied,
        `Secrets Manager refuses RotateSecret: ${error.message}`,
        'Whoever rotates a secret that has a rotation function needs lambda:InvokeFunction on that function too.',
        error,
      )
    if (error.name === 'InvalidRequestException')
      throw new CommandError(
        EXIT.failed,
        `Secrets Manager does not rotate ${name} now: ${error.message}`,
        'Secrets Manager may be busy with the secret: rotate again in a minute.',
        error,
      )
    throw error
  })
}
