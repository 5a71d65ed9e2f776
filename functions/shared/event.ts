import * as v from 'valibot'
import { isToken } from '../../fleet/token.ts'
import { ENGINE_NAMES } from '../../rotation/engines/traits.ts'
import { InvalidInput, RotationError } from '../../rotation/errors.ts'
import { STORE_NAMES } from '../../rotation/stores/store.ts'
import { STRATEGY_NAMES } from '../../rotation/strategies/strategyNames.ts'
import { nonEmptyText } from './nonEmptyText.ts'
import { queueBatch } from './queueBatch.ts'

const time = v.pipe(
  nonEmptyText,
  v.isoTimestamp(),
  v.transform(text => new Date(text)),
)
/** The schemas of events that a person may write: as the input of an execution, or in a call of a function. */
type InputSchema = typeof start | typeof startCall | typeof run
/** The fields of all schemas of a union: a plain `keyof` of a union has only the fields that all of them share. */
type FieldOf<Schema extends { entries: object }> = Schema extends Schema ? keyof Schema['entries'] : never

const AS_PASSED = 'as the state machine passes it'
/** What each field should be: the second half of an InvalidInput's message. */
const EXPECTED_VALUES: Record<FieldOf<InputSchema> | 'execution' | 'rotation', string> = {
  execution: 'the name of the execution',
  rotation: 'the state of the execution, an object',
  store: `one of: ${STORE_NAMES.join(', ')}`,
  id: 'the name or the ARN of the secret, or the name of the parameter',
  token:
    "the name of the execution, which has 32 to 64 letters, digits, - or _; leave out the token and the execution's name to get a UUID",
  moveBack: 'true, or left out',
  run: 'the name of the execution',
  at: 'a time, such as 2026-11-21T10:00:00Z',
  until: 'a time, such as 2026-11-21T10:00:00Z',
  group: AS_PASSED,
  server: AS_PASSED,
  overlaps: AS_PASSED,
  replication: AS_PASSED,
}

/** The fields that an execution of rotate has from its input to its end. */
const common = {
  store: v.picklist(STORE_NAMES),
  id: nonEmptyText,
  token: v.exactOptional(v.string()),
  group: v.exactOptional(nonEmptyText),
}
/**
 * The last result of awaitReplicas, or its error. (Its result for `look: pending` is in `pendingReplication`.) A field of the wrong
 * type is dropped, so that no rotation fails for it.
 */
const replicationAnswer = v.fallback(
  v.optional(
    v.object({
      outcome: v.fallback(v.optional(v.string()), undefined),
      why: v.fallback(v.optional(v.string()), undefined),
      empty: v.fallback(v.array(v.string()), []),
      Error: v.fallback(v.optional(v.string()), undefined),
      Cause: v.fallback(v.optional(v.string()), undefined),
    }),
  ),
  undefined,
)
const start = v.object({
  ...common,
  moveBack: v.exactOptional(v.literal(true)),
  replication: replicationAnswer,
})
/** What createSecret returned, as far as it does not depend on the engine. */
const facts = v.object({
  ...common,
  strategy: v.picklist(STRATEGY_NAMES),
  replaces: nonEmptyText,
  grace: v.exactOptional(v.number()),
  clone: v.exactOptional(v.picklist(['drop', 'keep'])),
  halfway: v.exactOptional(v.literal(true)),
  testQuery: v.exactOptional(nonEmptyText),
  pooler: v.exactOptional(v.literal('auth-query')),
  // What AwaitPendingReplicas returned. It only saves finishSecret a call of DescribeSecret, so a wrong one is dropped.
  pendingReplication: v.fallback(v.optional(v.object({ until: time })), undefined),
  replication: replicationAnswer,
  replicas: v.exactOptional(v.fallback(v.array(nonEmptyText), [])),
})
const emptyText = v.literal('')
/** The state of an execution after createSecret. */
const rotation = v.variant('engine', [
  v.object({
    ...facts.entries,
    engine: v.picklist(ENGINE_NAMES),
    connection: v.exactOptional(nonEmptyText),
    host: nonEmptyText,
    user: nonEmptyText,
    nextUser: nonEmptyText,
  }),
  v.object({
    ...facts.entries,
    engine: v.literal('opaque'),
    host: emptyText,
    user: emptyText,
    nextUser: emptyText,
  }),
])
/** The state of an execution whose rotation failed: createSecret may have returned nothing yet. */
const rollback = v.object({
  ...common,
  engine: v.exactOptional(v.picklist([...ENGINE_NAMES, 'opaque'])),
  connection: v.exactOptional(nonEmptyText),
  strategy: v.exactOptional(v.picklist(STRATEGY_NAMES)),
  host: v.exactOptional(v.string()),
  user: v.exactOptional(v.string()),
  replaces: v.exactOptional(nonEmptyText),
  // The error of the step that failed. A value of another type is dropped, so that the rollback goes on.
  failure: v.fallback(v.optional(v.object({ Error: v.string() })), undefined),
})

/**
 * Thrown for an execution's input that is no JSON object, such as a text or a list. The state machine has a state of its own for
 * this error, because it cannot add the failure to such an input; the execution then fails with InvalidInput.
 */
export class NoObject extends RotationError {
  override readonly name = 'NoObject'
}

const parseStart = makeParser(start)

/** Parses the event of createSecret, whose `rotation` is the execution's input. @throws NoObject, InvalidInput */
export function parseCreateSecretEvent(event: unknown): ReturnType<typeof parseStart> {
  const { rotation } = (event ?? {}) as { rotation?: unknown }
  if (
    rotation !== undefined &&
    (typeof rotation !== 'object' || rotation === null || Array.isArray(rotation))
  )
    throw new NoObject('input: should be an object, such as {"store":"secrets-manager","id":"shop/database"}')
  return parseStart(event)
}

/** Parses the event of a step after createSecret, whose `rotation` is what createSecret returned. @throws InvalidInput */
export const parseRotationEvent = makeParser(rotation)

/**
 * When awaitReplicas is called: before a rotation begins, while its value is pending, once that value is current, and after the
 * grace time, right before what was replaced is closed or the application is moved back from a temporary clone.
 */
const LOOK_TIMES = ['before', 'pending', 'current', 'retiring'] as const

/**
 * Parses the event of awaitReplicas. Events for `current` have no `look`, in this release's definition as in earlier ones.
 * @returns `isFirst`: whether this execution is the first attempt with its token
 * @throws NoObject, InvalidInput
 */
export function parseAwaitReplicasEvent(event: unknown) {
  const { look } = parseEvent(v.object({ look: v.optional(v.picklist(LOOK_TIMES), 'current') }), event)
  const { rotation } = look === 'before' ? parseCreateSecretEvent(event) : parseRotationEvent(event)
  const { execution } = event as { execution: string }
  return { look, isFirst: execution === rotation.token, rotation }
}

/** Parses the event of rollbackSecret. `rotation` is the state of the execution that calls, also with `abandoned`. @throws InvalidInput */
export const parseRollbackEvent = makeParser(rollback)

/** The parsed event of a step of a rotation. */
export type StepEvent<Rotation> = {
  /** Whether rollbackSecret is to roll back an earlier rotation, which was abandoned, and not this one. */
  abandoned: boolean
  /** The errors that the execution's definition retries and that the first release's did not: see stepHandler. */
  retries?: string[]
  /** When the execution began. Only finishSecret gets it. */
  started?: Date | undefined
  /**
   * The store for which the definition overwrites `replication` in the state with the result of awaitReplicas. For another
   * store, `replication` comes from the execution's input, and is not believed. Only createSecret gets `looked`.
   */
  looked?: string
  rotation: Rotation & { token: string }
}

const token = v.pipe(nonEmptyText, v.check(isToken))
const startCall = v.object({
  store: v.picklist(STORE_NAMES),
  id: nonEmptyText,
  token,
  group: v.exactOptional(nonEmptyText),
  at: v.exactOptional(time),
  until: v.nullish(time),
  server: v.nullish(nonEmptyText),
})
const run = v.object({ run: nonEmptyText, overlaps: v.exactOptional(v.boolean()) })
const awaited = v.object({
  store: v.picklist(STORE_NAMES),
  id: nonEmptyText,
  token,
  group: v.exactOptional(nonEmptyText),
  server: v.nullish(nonEmptyText),
})
const rotations = v.array(v.looseObject({ id: nonEmptyText }))
/** A run's work on one database server. */
const serverCall = v.object({
  run: nonEmptyText,
  group: v.object({
    name: nonEmptyText,
    host: v.string(),
    server: v.object({ id: nonEmptyText, last: v.number(), outage: v.exactOptional(nonEmptyText) }),
    rotations,
    turns: v.exactOptional(v.array(rotations)),
  }),
  caps: v.object({ hosts: v.number(), perHost: v.number() }),
})
/** The name of an execution of rotate-server that needs a slot, and how many slots there are. */
const slot = v.object({ execution: nonEmptyText, hosts: v.number() })
/** The outcomes of a run's rotations on one database server. `outage`: an earlier report has announced that it does not answer. */
const report = v.object({
  host: v.string(),
  outage: v.exactOptional(v.boolean()),
  results: v.array(
    v.object({
      store: v.picklist(STORE_NAMES),
      id: nonEmptyText,
      outcome: v.picklist(['rotated', 'failed', 'skipped', 'parked']),
      error: v.exactOptional(v.string()),
      reason: v.exactOptional(v.string()),
      critical: v.exactOptional(v.boolean()),
      untold: v.exactOptional(v.boolean()),
    }),
  ),
})

/**
 * Parses the event of startRotation. `at` is the time of the event of Parameter Store that asks for the rotation, if one does. The
 * rotation does not begin after `until`. `server` is the execution of rotate-server that calls the function. @throws InvalidInput
 */
export const parseStartRotationEvent = (event: unknown) => parseEvent(startCall, event)

/**
 * Parses the event of findDue. `run` is the name of the execution of rotate-due. `overlaps` is true if the definition lets runs
 * overlap: a run then leaves out the servers that another run works on. @throws InvalidInput
 */
export const parseFindDueEvent = (event: unknown) => parseEvent(run, event)

/** Parses the event of awaitRotation. @throws InvalidInput */
export const parseAwaitRotationEvent = (event: unknown) => parseEvent(awaited, event)

/** Parses the event of rotateServer: what a run found due on one database server. @throws InvalidInput */
export const parseRotateServerEvent = (event: unknown) => parseEvent(serverCall, event)

/** Parses the event of takeSlot. @throws InvalidInput */
export const parseTakeSlotEvent = (event: unknown) => parseEvent(slot, event)

/** Parses the event of reportRotations. @throws InvalidInput */
export const parseReportRotationsEvent = (event: unknown) => parseEvent(report, event)
/** The outcome of each rotation of a run on one database server. */
export type RotationResults = v.InferOutput<typeof report>['results']

/** Parses the event of recordRotation: the messages of a queue. @throws InvalidInput */
export const parseQueueMessages = (event: unknown) => parseEvent(queueBatch, event).Records

/**
 * Makes a parser for the event of a step. The parser throws InvalidInput, naming the field and what it should be.
 *
 * The name of an execution is the token of its rotation, which is also the id of the version that the rotation makes. So anybody
 * who finds a pending version can ask Step Functions whether its rotation still runs. The UUIDs that Step Functions and Secrets
 * Manager make are valid tokens. A further attempt with the same token is named `<token>-2`, `<token>-3` and so on, and its input
 * has to contain the token.
 */
function makeParser<Rotation extends { token?: string }>(schema: Schema<Rotation>) {
  const whole = v.object({
    execution: nonEmptyText,
    abandoned: v.optional(v.boolean(), false),
    retries: v.exactOptional(v.array(v.string())),
    // Only for a metric, and to save a call: see finishSecret.ts. So a rotation must not fail if it is wrong.
    started: v.fallback(v.optional(time), undefined),
    looked: v.exactOptional(v.string()),
    rotation: schema,
  })
  return (event: unknown): StepEvent<Rotation> => {
    const { execution, rotation, ...rest } = parseEvent(whole, event)
    const { token = execution } = rotation
    if (!isToken(token) || !isAttempt(execution, token)) throw invalidInput('token')
    return { ...rest, rotation: { ...rotation, token } }
  }
}

/** Whether an execution of this name is an attempt with this token. */
const isAttempt = (name: string, token: string) =>
  name.startsWith(token) && /^(-([2-9]|[1-9]\d+))?$/.test(name.slice(token.length))

type Schema<T> = v.GenericSchema<unknown, T>

/** Parses an event by a schema. @throws InvalidInput naming the field that is wrong, and what it should be by `expected` */
export function parseEvent<T>(
  schema: Schema<T>,
  event: unknown,
  expected: Record<string, string> = EXPECTED_VALUES,
): T {
  const result = v.safeParse(schema, event)
  if (result.success) return result.output
  throw invalidInput(String(result.issues[0].path?.at(-1)?.key ?? 'event'), expected)
}

function invalidInput(field: string, expected: Record<string, string> = EXPECTED_VALUES): InvalidInput {
  return new InvalidInput(`${field}: should be ${field in expected ? expected[field] : AS_PASSED}`)
}
