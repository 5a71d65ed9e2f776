import { hash } from 'node:crypto'
import * as v from 'valibot'
import { LockedOut } from '../../rotation/errors.ts'

/** What can have happened, in a sentence. */
export const headlines = {
  failed: 'The rotation failed; the application is unharmed.',
  lockout: 'The rotation failed, and so did its rollback: the application may be locked out.',
  execution: 'The execution of a rotation failed.',
  before:
    'Current did not log in before this rotation began, and still does not; the rotation changed nothing.',
  stopped: 'A rotation was stopped midway and not rolled back: the application may be locked out.',
  retire: 'The credential was rotated, but what it replaced may still log in.',
  announce: 'The credential was rotated, but that could not be announced.',
  several: 'Rotations that were due failed.',
  run: 'A run of what was due did not come to its end: rotations may not have begun, or their failures not been told.',
  late: 'Credentials should have rotated and have not.',
  managed: 'Secrets Manager could not rotate a secret.',
  abandoned: 'A version made by hand ended a rotation of Secrets Manager.',
  unknown: 'One of the alarm rules matched an event that Keyturn cannot read.',
}

// Whatever is missing or of another kind is left out: an alarm with less in it is better than none.
const text = v.fallback(v.optional(v.pipe(v.string(), v.nonEmpty())), undefined)
const part = <Entries extends v.ObjectEntries>(entries: Entries) =>
  v.fallback(v.optional(v.object(entries)), undefined)
const json = <Schema extends v.GenericSchema>(schema: Schema) =>
  v.fallback(v.optional(v.pipe(v.string(), v.parseJson(), schema)), undefined)

const problem = part({ Error: text, Cause: text })
const count = v.fallback(v.number(), 0)
const names = v.fallback(v.array(v.string()), [])
const kinds = v.fallback(v.array(v.object({ error: text, reason: text, count, names })), [])
const schema = part({
  id: text,
  source: text,
  'detail-type': text,
  account: text,
  region: text,
  time: text,
  detail: part({
    // Credential Rotation Failed, by statemachines/rotate.asl.json
    severity: text,
    execution: text,
    rotation: part({
      store: text,
      id: text,
      replaces: text,
      group: text,
      failure: problem,
      lockout: problem,
      rollback: part({ outcome: text }),
    }),
    // Credential Rotations Failed, by statemachines/rotate-due.asl.json
    group: text,
    report: part({ host: text, rotated: count, failed: count, failures: kinds }),
    // Credentials Late, by the same
    late: part({ count, names }),
    // Step Functions Execution Status Change
    executionArn: text,
    status: text,
    error: text,
    cause: text,
    stateMachineArn: text,
    input: json(v.object({ id: text, group: text })),
    // AWS Service Event via CloudTrail, in the two shapes there are
    eventName: text,
    errorMessage: text,
    additionalEventData: part({ SecretId: text }),
    serviceEventDetails: part({ secretId: text }),
  }),
})
type Problem = v.InferOutput<typeof problem>
type Event = NonNullable<v.InferOutput<typeof schema>>

/** What the kinds of events have in common. */
export type Failure = {
  headline: keyof typeof headlines
  secret?: string | undefined
  execution?: string | undefined
  error?: string | undefined
  step?: string | undefined
  cause?: string | undefined
  /** How the rollback ended; the table in docs/events.md says what the word means. */
  rollback?: string | undefined
  /** What made the rollback necessary that then failed. */
  first?: string | undefined
  /** A name of its own, where its execution's would not do. */
  name?: string | undefined
  /** What failed, if it is not the rotation of one secret. */
  what?: string | undefined
  more?: [label: string, value: string][]
  critical?: boolean
  group?: string | undefined
  /** Names a lockout that was there before, by credential, current version and what was found. */
  standing?: string | undefined
  /** Goes on until somebody mends it: it is told once a day. */
  daily?: boolean
  outdone: boolean
}

/** What an event of one of the rules in resources/alarms.yml tells of. Never throws. */
export function readFailure(raw: unknown): { failure: Failure; event: Event } {
  const event = v.parse(schema, raw) ?? {}
  const failure = readers[event['detail-type'] ?? '']?.(event.detail ?? {})
  return { failure: failure ?? { headline: 'unknown', outdone: false }, event }
}

type Detail = NonNullable<Event['detail']>

const readers: Record<string, (detail: Detail) => Failure> = {
  // No prototype, as the name comes from the event.
  __proto__: null as never,

  'Credential Rotation Failed': ({ severity, execution, rotation }) => {
    const lockout = severity === 'critical'
    const problem = (lockout && rotation?.lockout) || rotation?.failure
    const found = lockout ? foundBefore(problem) : undefined
    const which = [rotation?.store, rotation?.id, rotation?.replaces, found]
    return {
      headline: found ? 'before' : lockout ? 'lockout' : 'failed',
      secret: rotation?.id,
      execution,
      ...explain(problem),
      ...(found && { critical: true, standing: `before ${hash('sha256', JSON.stringify(which))}` }),
      rollback: lockout ? 'failed' : rotation?.rollback?.outcome,
      first: lockout && rotation?.lockout ? rotation.failure && oneLine(rotation.failure) : undefined,
      ...grouped(rotation?.group, problem),
      outdone: false,
    }
  },

  'Credential Rotations Failed': ({ severity, execution, group, report }) => {
    const { host, rotated = 0, failed = 0, failures = [] } = report ?? {}
    const kinds = failures.map(({ error = 'Unknown', reason, count, names }): [string, string] => {
      return [error, `${count}: ${listed(names, count)}${reason ? `; such as: ${short(reason)}` : ''}`]
    })
    const where = host ? ` on ${host}` : ''
    return {
      headline: 'several',
      execution,
      error: failures.length === 1 ? failures[0]?.error : undefined,
      what: `${failed} rotations${where} failed`,
      more: [
        ['Host', host ?? 'none, or not known'],
        ['Rotated', `${rotated}`],
        ['Failed', `${failed}`],
        ...kinds,
      ],
      critical: severity === 'critical',
      name: group && `report ${group}`,
      outdone: false,
    }
  },

  'Credentials Late': ({ execution, late }) => {
    const { count = 0, names = [] } = late ?? {}
    return {
      headline: 'late',
      execution,
      what: `${count} credentials are late`,
      more: [['Late', listed(names, count)]],
      // Another name as soon as there are others.
      name: `late ${hash('sha256', [count, ...names].join('\n'))}`,
      daily: true,
      outdone: false,
    }
  },

  // Without an announcement: what comes after the rotation failed, or something ended the execution from outside.
  'Step Functions Execution Status Change': ({
    executionArn,
    stateMachineArn,
    status,
    error,
    cause,
    input,
  }) => {
    const explained = explain({ Error: error, Cause: cause })
    if (stateMachineArn?.endsWith('-rotate-due'))
      return {
        headline: 'run',
        execution: executionArn,
        ...explained,
        error: error ?? status,
        what: 'a run of what was due failed',
        name: `run failed ${error ?? status}`,
        daily: true,
        outdone: false,
      }
    const headline = headlineOf(status, explained)
    return {
      headline,
      secret: input?.id,
      execution: executionArn,
      ...explained,
      error: error ?? status,
      // A report knows of nothing else: not of what was stopped, and not of what failed after the rotation.
      ...(['execution', 'lockout'].includes(headline) &&
        grouped(input?.group, { Error: error, Cause: cause })),
      outdone: true,
    }
  },

  'AWS Service Event via CloudTrail': ({
    eventName,
    errorMessage,
    additionalEventData,
    serviceEventDetails,
  }) => ({
    headline: eventName === 'RotationAbandoned' ? 'abandoned' : 'managed',
    secret: additionalEventData?.SecretId ?? serviceEventDetails?.secretId,
    error: eventName,
    step: /during (\w+) step/.exec(errorMessage ?? '')?.[1],
    cause: errorMessage && short(errorMessage),
    outdone: true,
  }),
}

/** Who is locked out is told of at once, and one by one. */
const grouped = (group: string | undefined, problem: Problem): Pick<Failure, 'group'> =>
  group && problem?.Error !== 'LockedOut' ? { group } : {}

/** Whether it is a lockout that could not be announced can only be told from the error and the step. */
function headlineOf(status: string | undefined, { error, step }: Pick<Failure, 'error' | 'step'>) {
  if (status !== 'FAILED') return 'stopped'
  if (error === 'LockedOut' || step === 'rollbackSecret') return 'lockout'
  // The second: on a temporary clone, the rotation that should have followed could not be started.
  if (step === 'retireSecret' || error?.startsWith('StepFunctions.')) return 'retire'
  return error?.startsWith('EventBridge.') ? 'announce' : 'execution'
}

/** What was found of a lockout that was there before its rotation began. */
function foundBefore(problem: Problem): string | undefined {
  if (problem?.Error !== 'LockedOut') return undefined
  return messageIn(problem)?.split(LockedOut.BEFORE)[1]
}

/** A failed function's cause is JSON and begins with the step; any other is text. */
function explain(problem: Problem): Pick<Failure, 'error' | 'step' | 'cause'> {
  const cause = messageIn(problem)
  return {
    error: problem?.Error,
    step: /^(\w+Secret): /.exec(cause ?? '')?.[1],
    cause: cause && short(cause),
  }
}

function messageIn(problem: Problem): string | undefined {
  const { errorMessage } = v.parse(json(v.object({ errorMessage: text })), problem?.Cause) ?? {}
  return errorMessage ?? problem?.Cause
}

/** Some of `count` names. */
const listed = (names: string[], count: number) =>
  names.join(', ') + (count > names.length ? ` and ${count - names.length} more` : '')

const oneLine = (problem: Problem) =>
  Object.values(explain(problem))
    .filter((value, index) => value && index !== 1)
    .join(', ') || undefined
const short = (text: string) => text.replaceAll(/\s+/g, ' ').trim().slice(0, 300)
