import * as v from 'valibot'
import { SERVICE_STEPS, type ServiceStep } from '../../fleet/serviceSteps.ts'
import { isToken } from '../../fleet/token.ts'
import { ENGINE_NAMES } from '../../rotation/engines/traits.ts'
import { InvalidInput, RotationError } from '../../rotation/errors.ts'
import { STORE_NAMES, type StoreName } from '../../rotation/stores/store.ts'
import { STRATEGY_NAMES } from '../../rotation/strategies/strategyNames.ts'
import { queueBatch } from './queueBatch.ts'

const text = v.pipe(v.string(), v.nonEmpty())
const time = v.pipe(
  text,
  v.isoTimestamp(),
  v.transform(text => new Date(text)),
)
/** The schemas of what a person may write into the input of an execution, or of a function. */
type InputSchema = typeof start | typeof startCall | typeof run | typeof serviceCall | typeof target
/** `keyof` of each: of all together it would be what they share. */
type FieldOf<Schema extends { entries: object }> = Schema extends Schema ? keyof Schema['entries'] : never

const AS_PASSED = 'as the state machine passes it'
/** What each should be: the second half of an InvalidInput's message. */
const EXPECTED_VALUES: Record<FieldOf<InputSchema> | 'execution' | 'rotation', string> = {
  execution: 'the name of the execution',
  rotation: 'the state of the execution, an object',
  store: `one of: ${STORE_NAMES.join(', ')}`,
  id: 'the name or the ARN of the secret, or the name of the parameter',
  token:
    'the name of the execution, which has 32 to 64 letters, digits, - or _; leave both out to get a UUID',
  Step: 'as Secrets Manager calls a rotation function',
  SecretId: "the secret's ARN",
  ClientRequestToken: '32 to 64 letters, digits, - or _',
  RotationToken: 'a text',
  moveBack: 'true, or left out',
  run: 'the name of the execution',
  at: 'a time, such as 2026-11-21T10:00:00Z',
  until: 'a time, such as 2026-11-21T10:00:00Z',
  group: AS_PASSED,
  server: AS_PASSED,
  overlaps: AS_PASSED,
  replication: AS_PASSED,
}

const common = {
  store: v.picklist(STORE_NAMES),
  id: text,
  token: v.exactOptional(v.string()),
  group: v.exactOptional(text),
}
/** What awaitReplicas answered before, or what it failed with. Whatever is of another kind is left out. */
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
const facts = v.object({
  ...common,
  strategy: v.picklist(STRATEGY_NAMES),
  replaces: text,
  grace: v.exactOptional(v.number()),
  clone: v.exactOptional(v.picklist(['drop', 'keep'])),
  halfway: v.exactOptional(v.literal(true)),
  testQuery: v.exactOptional(text),
  pooler: v.exactOptional(v.literal('auth-query')),
  // For a look that costs one call: no rotation fails for it.
  pendingReplication: v.fallback(v.optional(v.object({ until: time })), undefined),
  replication: replicationAnswer,
  replicas: v.exactOptional(v.fallback(v.array(text), [])),
})
const emptyText = v.literal('')
const rotation = v.variant('engine', [
  v.object({
    ...facts.entries,
    engine: v.picklist(ENGINE_NAMES),
    connection: v.exactOptional(text),
    host: text,
    user: text,
    nextUser: text,
  }),
  v.object({
    ...facts.entries,
    engine: v.literal('opaque'),
    host: emptyText,
    user: emptyText,
    nextUser: emptyText,
  }),
])
const rollback = v.object({
  ...common,
  engine: v.exactOptional(v.picklist([...ENGINE_NAMES, 'opaque'])),
  connection: v.exactOptional(text),
  strategy: v.exactOptional(v.picklist(STRATEGY_NAMES)),
  host: v.exactOptional(v.string()),
  user: v.exactOptional(v.string()),
  replaces: v.exactOptional(text),
  // What createSecret refused. Whatever is of another kind is left out.
  failure: v.fallback(v.optional(v.object({ Error: v.string() })), undefined),
})

/**
 * The execution's input has no fields: it is a text, a list or the like. The state machine makes InvalidInput of it, in
 * a way of its own, as a failure cannot be put into such a state.
 */
export class NoObject extends RotationError {
  override readonly name = 'NoObject'
}

const startOf = makeParser(start)

/** What createSecret gets: the execution's input. @throws NoObject */
export function parseCreateSecretEvent(event: unknown): ReturnType<typeof startOf> {
  const { rotation } = (event ?? {}) as { rotation?: unknown }
  if (
    rotation !== undefined &&
    (typeof rotation !== 'object' || rotation === null || Array.isArray(rotation))
  )
    throw new NoObject('input: should be an object, such as {"store":"secrets-manager","id":"shop/database"}')
  return startOf(event)
}

/** What the steps after createSecret get: what it returned. */
export const parseRotationEvent = makeParser(rotation)

/**
 * When awaitReplicas looks: before a rotation begins, while its value is pending, once that is current, and right before what
 * was replaced is closed.
 */
const LOOK_TIMES = ['before', 'pending', 'current', 'retiring'] as const

/** What awaitReplicas gets. `isFirst`: no execution had this token before. Without `look`, the value is current. */
export function parseAwaitReplicasEvent(event: unknown) {
  const { look } = parseEvent(v.object({ look: v.optional(v.picklist(LOOK_TIMES), 'current') }), event)
  const { rotation } = look === 'before' ? parseCreateSecretEvent(event) : parseRotationEvent(event)
  const { execution } = event as { execution: string }
  return { look, isFirst: execution === rotation.token, rotation }
}

/** What rollbackSecret gets: as much of the above as there was when the rotation failed. */
export const parseRollbackEvent = makeParser(rollback)

/** `started` is when the execution began, where that is of interest; `retries`, see stepHandler. */
export type StepEvent<Rotation> = {
  abandoned: boolean
  retries?: string[]
  started?: Date | undefined
  /** The store of which the definition writes what replicas do into the state, over what the input may say of it. */
  looked?: string
  rotation: Rotation & { token: string }
}

const token = v.pipe(text, v.check(isToken))
const startCall = v.object({
  store: v.picklist(STORE_NAMES),
  id: text,
  token,
  group: v.exactOptional(text),
  at: v.exactOptional(time),
  until: v.nullish(time),
  server: v.nullish(text),
})
const run = v.object({ run: text, overlaps: v.exactOptional(v.boolean()) })
const awaited = v.object({
  store: v.picklist(STORE_NAMES),
  id: text,
  token,
  group: v.exactOptional(text),
  server: v.nullish(text),
})
const rotations = v.array(v.looseObject({ id: text }))
const serverCall = v.object({
  run: text,
  group: v.object({
    name: text,
    host: v.string(),
    server: v.object({ id: text, last: v.number(), outage: v.exactOptional(text) }),
    rotations,
    turns: v.exactOptional(v.array(rotations)),
  }),
  caps: v.object({ hosts: v.number(), perHost: v.number() }),
})
const slot = v.object({ execution: text, hosts: v.number() })
const report = v.object({
  host: v.string(),
  outage: v.exactOptional(v.boolean()),
  results: v.array(
    v.object({
      store: v.picklist(STORE_NAMES),
      id: text,
      outcome: v.picklist(['rotated', 'failed', 'skipped', 'parked']),
      error: v.exactOptional(v.string()),
      reason: v.exactOptional(v.string()),
      critical: v.exactOptional(v.boolean()),
      untold: v.exactOptional(v.boolean()),
    }),
  ),
})

/**
 * What startRotation gets. With `at`, when an event said that it is due, what changed since then is left alone; it does
 * not begin after `until`. `server` is the execution that alone may rotate on its database server; null without one.
 */
export const parseStartRotationEvent = (event: unknown) => parseEvent(startCall, event)

/** What findDue gets: the name of its execution. With `overlaps`, its run gives way where another one is at work. */
export const parseFindDueEvent = (event: unknown) => parseEvent(run, event)

/** What awaitRotation gets. */
export const parseAwaitRotationEvent = (event: unknown) => parseEvent(awaited, event)

/** What rotateServer gets: what a run found due on one database server. */
export const parseRotateServerEvent = (event: unknown) => parseEvent(serverCall, event)

/** What takeSlot gets: the execution that needs a place, and how many there are. */
export const parseTakeSlotEvent = (event: unknown) => parseEvent(slot, event)

/** What reportRotations gets: what became of the rotations on one database server. */
export const parseReportRotationsEvent = (event: unknown) => parseEvent(report, event)
export type RotationResults = v.InferOutput<typeof report>['results']

/** What recordRotation gets: messages of a queue. @throws InvalidInput */
export const parseQueueMessages = (event: unknown) => parseEvent(queueBatch, event).Records

const serviceCall = v.object({
  Step: v.picklist(SERVICE_STEPS),
  SecretId: text,
  ClientRequestToken: token,
  RotationToken: v.exactOptional(text),
})

/** No name and no ARN is longer: a parameter's may have 1011 characters, and an ARN 2048. */
const target = v.strictObject({ store: v.picklist(STORE_NAMES), id: v.pipe(text, v.maxLength(2048)) })

/** What checkCredential gets: the execution's input, and nothing else may stand in it. @throws InvalidInput */
export const parseCheckEvent = (event: unknown) => parseEvent(target, event)

/** What Secrets Manager calls for; `rotation` is the input that the execution gets. */
export type ServiceEvent = {
  step: ServiceStep
  rotation: { store: StoreName; id: string; token: string }
  rotationToken: string | undefined
}

/** What rotateSecret gets, from Secrets Manager. @throws InvalidInput */
export function parseServiceEvent(event: unknown): ServiceEvent {
  const { Step, SecretId, ClientRequestToken, RotationToken } = parseEvent(serviceCall, event)
  return {
    step: Step,
    rotation: { store: 'secrets-manager', id: SecretId, token: ClientRequestToken },
    rotationToken: RotationToken,
  }
}

/**
 * A parser for one function's event; it throws InvalidInput, naming the field and what it should be.
 *
 * The execution's name is the token of the version it makes, so that whoever finds a version pending can ask whether
 * its rotation still runs. Step Functions and Secrets Manager make such names themselves: UUIDs. A further attempt under
 * the same token, which its input must then name, is called `<token>-2`, `<token>-3` and so on.
 */
function makeParser<Rotation extends { token?: string }>(schema: v.GenericSchema<unknown, Rotation>) {
  const whole = v.object({
    execution: text,
    abandoned: v.optional(v.boolean(), false),
    retries: v.exactOptional(v.array(v.string())),
    // For a metric alone: no rotation fails for it.
    started: v.fallback(v.optional(time), undefined),
    looked: v.exactOptional(v.string()),
    rotation: schema,
  })
  return (event: unknown): StepEvent<Rotation> => {
    const { execution, rotation, ...rest } = parseEvent(whole, event)
    const { token = execution } = rotation
    if (!isToken(token) || !isAttempt(execution, token)) throw invalid('token')
    return { ...rest, rotation: { ...rotation, token } }
  }
}

const isAttempt = (name: string, token: string) =>
  name.startsWith(token) && /^(-([2-9]|[1-9]\d+))?$/.test(name.slice(token.length))

function parseEvent<T>(schema: v.GenericSchema<unknown, T>, event: unknown): T {
  const result = v.safeParse(schema, event)
  if (!result.success) throw invalid(String(result.issues[0].path?.at(-1)?.key ?? 'event'))
  return result.output
}

function invalid(field: string): InvalidInput {
  const should = field in EXPECTED_VALUES ? EXPECTED_VALUES[field as keyof typeof EXPECTED_VALUES] : AS_PASSED
  return new InvalidInput(`${field}: should be ${should}`)
}
