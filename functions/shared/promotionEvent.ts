import * as v from 'valibot'
import { InvalidInput } from '../../rotation/errors.ts'
import { REGION_PATTERN } from '../../rotation/regionName.ts'
import { nonEmptyText } from './nonEmptyText.ts'

const flag = v.optional(v.boolean(), false)
const texts = v.optional(v.array(v.string()), [])
/** An error as a Catch of the state machine writes it into the state, or as findReplicas makes it. */
const problem = v.object({ Error: v.string(), Cause: v.optional(v.string(), '') })

/** The input of an execution of promote, which a person may write. */
const input = v.object({
  from: v.exactOptional(v.pipe(v.string(), v.regex(REGION_PATTERN))),
  planned: flag,
  lost: flag,
  dryRun: flag,
  ids: v.optional(v.pipe(v.array(nonEmptyText), v.maxLength(200)), []),
  again: flag,
})
/** What findReplicas returned for the page before: where that page ended, and how many credentials there were so far. */
const page = v.object({ after: v.exactOptional(v.string()), count: v.number() })
const find = v.object({
  execution: nonEmptyText,
  input: v.object({ ...input.entries, page: v.exactOptional(page) }),
})

/** A credential that is to be promoted, as findReplicas returned it. */
const item = v.object({
  arn: nonEmptyText,
  name: v.string(),
  from: nonEmptyText,
  refused: texts,
  rehearsal: flag,
})
/** What findVersion returned for a credential. */
const found = v.object({
  version: v.exactOptional(v.string()),
  error: v.exactOptional(v.string()),
  reason: v.exactOptional(v.string()),
  warnings: texts,
  refused: texts,
})
const move = v.object({ item, version: nonEmptyText, current: v.exactOptional(v.string()) })
const note = v.object({
  execution: nonEmptyText,
  begun: flag,
  state: v.object({
    item: v.object({ ...item.entries, problem: v.exactOptional(problem) }),
    planned: flag,
    problem: v.exactOptional(problem),
    found: v.exactOptional(found),
    promoted: v.exactOptional(v.object({ done: v.literal(true) })),
    unfenced: v.exactOptional(problem),
  }),
})
const report = v.object({
  execution: nonEmptyText,
  input: v.object({ ...input.entries, page }),
})

/** What each field of the input should be: the second half of an InvalidInput's message. */
const EXPECTED_VALUES: Record<keyof typeof input.entries, string> = {
  from: 'the Region that is given up, such as eu-west-1',
  planned: 'true, or left out',
  lost: 'true, or left out',
  dryRun: 'true, or left out',
  ids: 'names or ARNs of secrets in this Region, 200 at most, or left out',
  again: 'true, or left out',
}

/** Parses the event of findReplicas: the execution's ARN, and its input with the page before. @throws InvalidInput */
export const parseFindReplicasEvent = (event: unknown) => parsePromotionEvent(find, event)

/** Parses the event of findVersion: a credential. @throws InvalidInput */
export const parseFindVersionEvent = (event: unknown) => parsePromotionEvent(item, event)

/**
 * Parses the event of promoteReplica: a credential, the version that logs in, and the one that was current when that was found out.
 * @throws InvalidInput
 */
export const parsePromoteReplicaEvent = (event: unknown) => parsePromotionEvent(move, event)

/** Parses the event of handOver: a credential. `after` is true if its replica is promoted already. @throws InvalidInput */
export const parseHandOverEvent = (event: unknown) =>
  parsePromotionEvent(v.object({ item, after: flag }), event)

/**
 * Parses the event of notePromotion: the execution's ARN and the state of one credential. `begun` is true in the call before
 * promoteReplica. @throws InvalidInput
 */
export const parseNotePromotionEvent = (event: unknown) => parsePromotionEvent(note, event)
/** The state of one credential in an execution of promote. */
export type CredentialState = ReturnType<typeof parseNotePromotionEvent>['state']

/** Parses the event of reportPromotion: the execution's ARN, and its input with the last page. @throws InvalidInput */
export const parseReportPromotionEvent = (event: unknown) => parsePromotionEvent(report, event)

/** Parses the event of switchRegion. It never throws: a `from` that is no text counts as missing. */
export const parseSwitchRegionEvent = (event: unknown) =>
  v.parse(
    v.fallback(v.object({ from: v.fallback(v.optional(nonEmptyText), undefined) }), { from: undefined }),
    event,
  )

/**
 * Parses an event by a schema. @throws InvalidInput naming the field of the execution's input that is wrong, or `event` if what the
 * state machine adds to the input is
 */
function parsePromotionEvent<T>(schema: v.GenericSchema<unknown, T>, event: unknown): T {
  const result = v.safeParse(schema, event)
  if (result.success) return result.output
  const field = result.issues[0].path?.map(({ key }) => `${key}`).findLast(key => key in EXPECTED_VALUES)
  const should =
    field === undefined
      ? 'as the state machine passes it'
      : EXPECTED_VALUES[field as keyof typeof EXPECTED_VALUES]
  throw new InvalidInput(`${field ?? 'event'}: should be ${should}`)
}
