import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import * as v from 'valibot'
import { SERVICE_SCHEDULE_TAG, type Tags } from '../tags.ts'

/** Characters that the value of a tag may have. */
const MAX_TAG_VALUE_LENGTH = 256

/** What is kept: a rule as the service takes it, or a number of days; and how long its window is. */
const keptScheduleSchema = v.object({
  rule: v.union([v.string(), v.number()]),
  duration: v.optional(v.string()),
})

/**
 * Secrets Manager's own schedule as the value of a tag, as replicas get their primary's tags and not its schedule: in
 * base64url, as a tag takes neither the `*` nor the brackets of a rule.
 * @returns undefined for what is no schedule, or too long for a tag
 */
export function scheduleTagValue({
  ScheduleExpression,
  AutomaticallyAfterDays,
  Duration,
}: RotationRulesType = {}): string | undefined {
  // The service may tell the days beside a rule, and takes no more than one of the two.
  const rule = ScheduleExpression ?? AutomaticallyAfterDays
  if (rule === undefined) return undefined
  const text = JSON.stringify({ rule, duration: Duration } satisfies v.InferInput<typeof keptScheduleSchema>)
  const value = Buffer.from(text).toString('base64url')
  return value.length > MAX_TAG_VALUE_LENGTH ? undefined : value
}

/** The schedule that a tag holds, as RotateSecret takes it; undefined if there is none, or it cannot be read. */
export function scheduleIn(tags: Tags): RotationRulesType | undefined {
  const value = tags[SERVICE_SCHEDULE_TAG]
  if (value === undefined) return undefined
  try {
    const { rule, duration } = v.parse(
      keptScheduleSchema,
      JSON.parse(Buffer.from(value, 'base64url').toString()),
    )
    const days = typeof rule === 'number'
    return {
      ...(days ? { AutomaticallyAfterDays: rule } : { ScheduleExpression: rule }),
      ...(duration !== undefined && { Duration: duration }),
    }
  } catch {
    return undefined
  }
}
