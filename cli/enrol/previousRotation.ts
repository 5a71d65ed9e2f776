import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import { scheduleIn, scheduleTagValue } from '../../rotation/promotion/serviceSchedule.ts'
import { SERVICE_SCHEDULE_TAG, type Tags } from '../../rotation/tags.ts'
import type { FoundSecret } from '../credential.ts'
import { outputOf, type Stack } from '../stack.ts'

/**
 * The tags that keep which function rotated a secret before Keyturn did, and when. They are none of `keyturn:`, as an older
 * release refuses one of these that it does not know.
 */
export const PREVIOUS_FUNCTION_TAG = 'keyturn-before'
export const PREVIOUS_SCHEDULE_TAG = 'keyturn-before-schedule'

/** How Secrets Manager rotated a secret before. */
export type PreviousRotation = { function: string; rules?: RotationRulesType | undefined }

/** The function that rotates a secret today, if it is not this stack's. */
export function rotationByOtherFunction({ secret }: FoundSecret, stack: Stack): PreviousRotation | undefined {
  const { RotationEnabled, RotationLambdaARN, RotationRules } = secret
  if (!RotationEnabled || !RotationLambdaARN) return undefined
  if (RotationLambdaARN === outputOf(stack, 'RotateSecretFunctionArn')) return undefined
  return { function: RotationLambdaARN, rules: RotationRules }
}

/** The tags that keep it. A schedule that is too long for a tag is not kept. */
export function previousRotationTags({ function: arn, rules }: PreviousRotation): Tags {
  const schedule = scheduleTagValue(rules)
  return {
    [PREVIOUS_FUNCTION_TAG]: arn,
    ...(schedule !== undefined && { [PREVIOUS_SCHEDULE_TAG]: schedule }),
  }
}

/** What the tags keep. */
export function previousRotationIn(tags: Tags): PreviousRotation | undefined {
  const arn = tags[PREVIOUS_FUNCTION_TAG]
  if (!arn) return undefined
  const schedule = tags[PREVIOUS_SCHEDULE_TAG]
  return { function: arn, ...(schedule && { rules: scheduleIn({ [SERVICE_SCHEDULE_TAG]: schedule }) }) }
}

/** A function in words: AWS's templates, and what CloudFormation makes of them, have names of this form. */
export function functionText(arn: string): string {
  const name = /:function:([^:]+)/.exec(arn)?.[1] ?? arn
  return /SecretsManager\w*Rotation/.test(name) ? `${name}, an AWS template by its name` : name
}

/** Rules in words. */
export function rotationRulesText({
  ScheduleExpression,
  AutomaticallyAfterDays,
  Duration,
}: RotationRulesType = {}): string {
  const rule =
    ScheduleExpression ?? (AutomaticallyAfterDays ? `every ${AutomaticallyAfterDays} days` : 'as before')
  return Duration ? `${rule}, within ${Duration}` : rule
}
