import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import { scheduleIn, scheduleTagValue } from '../../rotation/promotion/serviceSchedule.ts'
import { SERVICE_SCHEDULE_TAG, type Tags } from '../../rotation/tags.ts'
import type { FoundSecret } from '../credential.ts'
import { outputOf, type Stack } from '../stack.ts'

/**
 * The tag that keeps the ARN of the function that rotated a secret before Keyturn did. Its key does not begin with `keyturn:`,
 * because an older release refuses a key that begins so unless it knows the key.
 */
export const PREVIOUS_FUNCTION_TAG = 'keyturn-before'
/** The tag that keeps the schedule on which that function rotated the secret. */
export const PREVIOUS_SCHEDULE_TAG = 'keyturn-before-schedule'

/** How Secrets Manager rotated a secret before Keyturn did: the function's ARN and the schedule. */
export type PreviousRotation = { function: string; rules?: RotationRulesType | undefined }

/** The rotation of a secret by a function other than this stack's; undefined if there is none. */
export function rotationByOtherFunction({ secret }: FoundSecret, stack: Stack): PreviousRotation | undefined {
  const { RotationEnabled, RotationLambdaARN, RotationRules } = secret
  if (!RotationEnabled || !RotationLambdaARN) return undefined
  if (RotationLambdaARN === outputOf(stack, 'RotateSecretFunctionArn')) return undefined
  return { function: RotationLambdaARN, rules: RotationRules }
}

/** The tags that keep a previous rotation. A schedule that is too long for a tag is not kept. */
export function previousRotationTags({ function: arn, rules }: PreviousRotation): Tags {
  const schedule = scheduleTagValue(rules)
  return {
    [PREVIOUS_FUNCTION_TAG]: arn,
    ...(schedule !== undefined && { [PREVIOUS_SCHEDULE_TAG]: schedule }),
  }
}

/** The previous rotation that a secret's tags keep; undefined if they keep none. */
export function previousRotationIn(tags: Tags): PreviousRotation | undefined {
  const arn = tags[PREVIOUS_FUNCTION_TAG]
  if (!arn) return undefined
  const schedule = tags[PREVIOUS_SCHEDULE_TAG]
  return { function: arn, ...(schedule && { rules: scheduleIn({ [SERVICE_SCHEDULE_TAG]: schedule }) }) }
}

/** The name of a function, with a remark if it looks like a function of AWS's rotation templates. */
export function functionText(arn: string): string {
  const name = /:function:([^:]+)/.exec(arn)?.[1] ?? arn
  return /SecretsManager\w*Rotation/.test(name) ? `${name}, an AWS template by its name` : name
}

/** A schedule in words, such as `every 30 days, within 2h`. */
export function rotationRulesText({
  ScheduleExpression,
  AutomaticallyAfterDays,
  Duration,
}: RotationRulesType = {}): string {
  const rule =
    ScheduleExpression ?? (AutomaticallyAfterDays ? `every ${AutomaticallyAfterDays} days` : 'as before')
  return Duration ? `${rule}, within ${Duration}` : rule
}
