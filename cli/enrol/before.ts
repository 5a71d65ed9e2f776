import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import { scheduleIn, scheduleTag } from '../../rotation/promotion/serviceSchedule.ts'
import { SERVICE_SCHEDULE, type Tags } from '../../rotation/tags.ts'
import type { FoundSecret } from '../credentialId.ts'
import { outputOf, type Stack } from '../stack.ts'

/**
 * The tags that keep which function rotated a secret before Keyturn did, and when. They are none of `keyturn:`, as an older
 * release refuses one of these that it does not know.
 */
export const BEFORE = 'keyturn-before'
export const BEFORE_SCHEDULE = 'keyturn-before-schedule'

/** How Secrets Manager rotated a secret before. */
export type Before = { function: string; rules?: RotationRulesType | undefined }

/** The function that rotates a secret today, if it is not this stack's. */
export function otherRotation({ secret }: FoundSecret, stack: Stack): Before | undefined {
  const { RotationEnabled, RotationLambdaARN, RotationRules } = secret
  if (!RotationEnabled || !RotationLambdaARN) return undefined
  if (RotationLambdaARN === outputOf(stack, 'RotateSecretFunctionArn')) return undefined
  return { function: RotationLambdaARN, rules: RotationRules }
}

/** The tags that keep it. A schedule that is too long for a tag is not kept. */
export function beforeTags({ function: arn, rules }: Before): Tags {
  const schedule = scheduleTag(rules)
  return { [BEFORE]: arn, ...(schedule !== undefined && { [BEFORE_SCHEDULE]: schedule }) }
}

/** What the tags keep. */
export function beforeIn(tags: Tags): Before | undefined {
  const arn = tags[BEFORE]
  if (!arn) return undefined
  const schedule = tags[BEFORE_SCHEDULE]
  return { function: arn, ...(schedule && { rules: scheduleIn({ [SERVICE_SCHEDULE]: schedule }) }) }
}

/** A function in words: AWS's templates, and what CloudFormation makes of them, have names of this form. */
export function functionSays(arn: string): string {
  const name = /:function:([^:]+)/.exec(arn)?.[1] ?? arn
  return /SecretsManager\w*Rotation/.test(name) ? `${name}, an AWS template by its name` : name
}

/** Rules in words. */
export function rulesSay({
  ScheduleExpression,
  AutomaticallyAfterDays,
  Duration,
}: RotationRulesType = {}): string {
  const rule =
    ScheduleExpression ?? (AutomaticallyAfterDays ? `every ${AutomaticallyAfterDays} days` : 'as before')
  return Duration ? `${rule}, within ${Duration}` : rule
}
