import * as v from 'valibot'
import { SERVICE_STEPS, type ServiceStep } from '../../fleet/serviceSteps.ts'
import { isToken } from '../../fleet/token.ts'
import type { StoreName } from '../../rotation/stores/store.ts'
import { parseEvent } from './event.ts'
import { nonEmptyText } from './nonEmptyText.ts'

/**
 * The event of a rotation function:
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda.html
 */
const serviceCall = v.object({
  Step: v.picklist(SERVICE_STEPS),
  SecretId: nonEmptyText,
  ClientRequestToken: v.pipe(nonEmptyText, v.check(isToken)),
  RotationToken: v.exactOptional(nonEmptyText),
})

/** What each field should be: the second half of an InvalidInput's message. */
const EXPECTED_VALUES: Record<keyof typeof serviceCall.entries, string> = {
  Step: 'as Secrets Manager calls a rotation function',
  SecretId: "the secret's ARN",
  ClientRequestToken: '32 to 64 letters, digits, - or _',
  RotationToken: 'a text',
}

/** A call of Secrets Manager for one step of a rotation. */
export type ServiceEvent = {
  step: ServiceStep
  /** The input of the execution that does the rotation. */
  rotation: { store: StoreName; id: string; token: string }
  /**
   * Secrets Manager's proof that a value is written for its own rotation. By its documentation the service sends one with every
   * call, and checks it where the function has assumed another role or the secret is of another account.
   */
  rotationToken: string | undefined
}

/** Parses the event of rotateSecret, which Secrets Manager calls. @throws InvalidInput */
export function parseServiceEvent(event: unknown): ServiceEvent {
  const { Step, SecretId, ClientRequestToken, RotationToken } = parseEvent(
    serviceCall,
    event,
    EXPECTED_VALUES,
  )
  return {
    step: Step,
    rotation: { store: 'secrets-manager', id: SecretId, token: ClientRequestToken },
    rotationToken: RotationToken,
  }
}
