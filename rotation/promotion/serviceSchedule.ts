import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import * as v from 'valibot'
import { MAX_TAG_VALUE_LENGTH, SERVICE_SCHEDULE_TAG, type Tags } from '../tags.ts'

/** The JSON in the tag: a schedule expression or a number of days, and the length of the window in which a rotation may begin. */
const keptScheduleSchema = v.object({
  rule: v.union([v.string(), v.number()]),
  duration: v.optional(v.string()),
})

/**
 * The value of the tag that stores Secrets Manager's own schedule of a secret. Replicas get the tags of their primary, but not its
 * schedule. The text is in base64url, as tags allow neither `*` nor brackets, which schedule expressions have.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets.html,
 * https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
 * @returns undefined if there is no schedule, or it is too long for a tag
 */
export function scheduleTagValue({
  ScheduleExpression,
  AutomaticallyAfterDays,
  Duration,
}: RotationRulesType = {}): string | undefined {
  // The service may report both the expression and the days, but takes only one of them.
  const rule = ScheduleExpression ?? AutomaticallyAfterDays
  if (rule === undefined) return undefined
  const text = JSON.stringify({ rule, duration: Duration } satisfies v.InferInput<typeof keptScheduleSchema>)
  const value = Buffer.from(text).toString('base64url')
  return value.length > MAX_TAG_VALUE_LENGTH ? undefined : value
}

/** The schedule that the tag stores, for RotateSecret; undefined if there is no such tag, or it cannot be parsed. */
export function scheduleIn(tags: Tags): RotationRulesType | undefined {
  const value = tags[SERVICE_SCHEDULE_TAG]
  if (value === undefined) return undefined
  try {
    const { rule, duration } = v.parse(
      keptScheduleSchema,
      JSON.parse(Buffer.from(value, 'base64url').toString()),
    )
    const isDays = typeof rule === 'number'
    return {
      ...(isDays ? { AutomaticallyAfterDays: rule } : { ScheduleExpression: rule }),
      ...(duration !== undefined && { Duration: duration }),
    }
  } catch {
    return undefined
  }
}
