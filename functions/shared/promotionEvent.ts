import * as v from 'valibot'
import { InvalidInput } from '../../rotation/errors.ts'

const text = v.pipe(v.string(), v.nonEmpty())
const flag = v.optional(v.boolean(), false)
const texts = v.optional(v.array(v.string()), [])
const problem = v.object({ Error: v.string(), Cause: v.optional(v.string(), '') })

/** What a person may write into the input of a promotion. */
const input = v.object({
  from: v.exactOptional(v.pipe(v.string(), v.regex(/^[a-z]{2}(-[a-z]+)+-\d$/))),
  planned: flag,
  lost: flag,
  dryRun: flag,
  ids: v.optional(v.pipe(v.array(text), v.maxLength(200)), []),
  again: flag,
})
const page = v.object({ after: v.exactOptional(v.string()), count: v.number() })
const find = v.object({ execution: text, input: v.object({ ...input.entries, page: v.exactOptional(page) }) })

const item = v.object({
  arn: text,
  name: v.string(),
  from: text,
  refused: texts,
  rehearsal: flag,
})
const found = v.object({
  version: v.exactOptional(v.string()),
  error: v.exactOptional(v.string()),
  reason: v.exactOptional(v.string()),
  warnings: texts,
  refused: texts,
})
const move = v.object({ item, version: text, current: v.exactOptional(v.string()) })
const note = v.object({
  execution: text,
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
  execution: text,
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

/** What findReplicas gets: the execution's ARN, and its input with the page before. */
export const parseFindReplicasEvent = (event: unknown) => parseEvent(find, event)

/** What findVersion gets: a credential. */
export const parseFindVersionEvent = (event: unknown) => parseEvent(item, event)

/** What promoteReplica gets: a credential, and its version that logs in. */
export const parsePromoteReplicaEvent = (event: unknown) => parseEvent(move, event)

/** What handOver gets. `after`: the replica stands on its own already. */
export const parseHandOverEvent = (event: unknown) => parseEvent(v.object({ item, after: flag }), event)

/** What notePromotion gets: the state of one credential. `begun`: it is about to be changed. */
export const parseNotePromotionEvent = (event: unknown) => parseEvent(note, event)
export type CredentialState = ReturnType<typeof parseNotePromotionEvent>['state']

/** What reportPromotion gets. */
export const parseReportPromotionEvent = (event: unknown) => parseEvent(report, event)

/** What switchRegion may get. Whatever is of another kind counts as not given. */
export const parseSwitchRegionEvent = (event: unknown) =>
  v.parse(v.fallback(v.object({ from: v.fallback(v.optional(text), undefined) }), { from: undefined }), event)

function parseEvent<T>(schema: v.GenericSchema<unknown, T>, event: unknown): T {
  const result = v.safeParse(schema, event)
  if (result.success) return result.output
  const field = result.issues[0].path?.map(({ key }) => `${key}`).findLast(key => key in EXPECTED_VALUES)
  const should =
    field === undefined
      ? 'as the state machine passes it'
      : EXPECTED_VALUES[field as keyof typeof EXPECTED_VALUES]
  throw new InvalidInput(`${field ?? 'event'}: should be ${should}`)
}
