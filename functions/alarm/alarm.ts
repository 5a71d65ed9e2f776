import { createHash } from 'node:crypto'
import * as v from 'valibot'
import * as errors from '../../rotation/errors.ts'

/** What whoever is on call is told, in the forms that a mail and a chat need. */
export type Alarm = {
  /** Names of this failure, the most exact first. Two alarms with the same first name tell of one failure. */
  keys: [string, ...string[]]
  /** When it happened, in milliseconds. */
  at: number
  severity: 'critical' | 'error'
  /** At most 100 characters of printable ASCII, as SNS wants a subject. */
  subject: string
  /** What happened, in a sentence. */
  headline: string
  facts: [label: string, value: string][]
  runbook: string
  /** Link to the execution in the console. */
  console: string | undefined
  /** Another event may tell the same failure with more detail, at about the same time. */
  outdone: boolean
  /** Of the failures with this name only the first is told; a report tells of all of them when they are over. */
  group?: string
}

const headlines = {
  failed: 'The rotation failed; the application is unharmed.',
  lockout: 'The rotation failed, and so did its rollback: the application may be locked out.',
  execution: 'The execution of a rotation failed.',
  stopped: 'A rotation was stopped midway and not rolled back: the application may be locked out.',
  retire: 'The credential was rotated, but the replaced user still takes its old password.',
  announce: 'The credential was rotated, but that could not be announced.',
  several: 'Several rotations that were due failed.',
  run: 'A run of what was due did not come to its end: rotations may not have begun, or their failures not been told.',
  managed: 'Secrets Manager could not rotate a secret.',
  abandoned: 'A version made by hand ended a rotation of Secrets Manager.',
  unknown: 'One of the alarm rules matched an event that Keyturn cannot read.',
}

const critical: string[] = ['lockout', 'stopped'] satisfies (keyof typeof headlines)[]

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
      id: text,
      group: text,
      failure: problem,
      lockout: problem,
      rollback: part({ outcome: text }),
    }),
    // Credential Rotations Failed, by statemachines/rotate-due.asl.json
    group: text,
    report: part({ host: text, rotated: count, failed: count, failures: kinds }),
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
type Failure = {
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
  outdone: boolean
}

/**
 * Reads an event of one of the rules in resources/alarms.yml. Never throws: what cannot be read is left out, and an
 * event that cannot be read at all is an alarm of its own. Only fields that anybody may read are taken over.
 * @param runbook path or URL of docs/runbook.md
 */
export function readAlarm(raw: unknown, runbook: string): Alarm {
  const event: Event = v.parse(schema, raw) ?? {}
  const failure = readers[event['detail-type'] ?? '']?.(event.detail ?? {}) ?? {
    headline: 'unknown',
    outdone: false,
  }
  const {
    headline,
    secret,
    execution,
    error,
    step,
    cause,
    rollback,
    first,
    more = [],
    group,
    outdone,
  } = failure
  const severity = isCritical(failure) ? 'critical' : 'error'
  const time = Date.parse(event.time ?? '')
  const facts: [string, string | undefined][] = [
    ['Secret', secret],
    ['Step', step],
    ['Error', error],
    ['Cause', cause],
    ['Rollback', rollback],
    ['First error', first],
    ...more,
    ['Severity', severity],
    ['Account', event.account && `${event.account} ${event.region ?? ''}`.trim()],
    ['Time', event.time],
    ['Execution', execution],
    ['Event', [event.source, event['detail-type'], event.id].filter(Boolean).join(', ') || undefined],
  ]
  const what = failure.what ?? `rotation of ${secret ? nameOf(secret) : 'a secret'} failed`
  return {
    keys: keysOf(
      failure,
      event.id ??
        createHash('sha256')
          .update(JSON.stringify(raw) ?? '')
          .digest('hex'),
    ),
    at: Number.isNaN(time) ? Date.now() : time,
    severity,
    subject: `${severity.toUpperCase()}${error ? ` ${error}` : ''}: ${what}`
      .replaceAll(/[^ -~]/g, '?')
      .slice(0, 100),
    headline: headlines[headline],
    facts: facts.filter((fact): fact is [string, string] => fact[1] !== undefined),
    runbook: `${runbook}#${anchorOf(failure)}`,
    console: execution && consoleOf(execution),
    outdone,
    ...(group && { group: `${group} ${severity}` }),
  }
}

const isCritical = (failure: Failure) => failure.critical ?? critical.includes(failure.headline)

/** The alarm as a mail's text. */
export function textOf({ headline, facts, runbook, console }: Alarm): string {
  const lines = [...facts, ['What to do', runbook], ...(console ? [['Console', console]] : [])]
  return [headline, '', ...lines.map(([label, value]) => `${`${label}:`.padEnd(13)}${value}`), ''].join('\n')
}

type Detail = NonNullable<Event['detail']>

const readers: Record<string, (detail: Detail) => Failure> = {
  // No prototype, as the name comes from the event.
  __proto__: null as never,

  'Credential Rotation Failed': ({ severity, execution, rotation }) => {
    const lockout = severity === 'critical'
    return {
      headline: lockout ? 'lockout' : 'failed',
      secret: rotation?.id,
      execution,
      ...explain((lockout && rotation?.lockout) || rotation?.failure),
      rollback: lockout ? 'failed' : rotation?.rollback?.outcome,
      first: lockout && rotation?.lockout ? rotation.failure && oneLine(rotation.failure) : undefined,
      group: rotation?.group,
      outdone: false,
    }
  },

  'Credential Rotations Failed': ({ severity, execution, group, report }) => {
    const { host, rotated = 0, failed = 0, failures = [] } = report ?? {}
    const kinds = failures.map(({ error = 'Unknown', reason, count, names }): [string, string] => {
      const others = count > names.length ? ` and ${count - names.length} more` : ''
      return [error, `${count}: ${names.join(', ')}${others}${reason ? `; such as: ${short(reason)}` : ''}`]
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
        outdone: false,
      }
    const headline = headlineOf(status, explained)
    return {
      headline,
      secret: input?.id,
      execution: executionArn,
      ...explained,
      error: error ?? status,
      // What was stopped midway is told of one by one: nobody announces it.
      group: headline === 'stopped' ? undefined : input?.group,
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

/** Whether it is a lockout that could not be announced can only be told from the error and the message. */
function headlineOf(
  status: string | undefined,
  { error, step, cause }: Pick<Failure, 'error' | 'step' | 'cause'>,
) {
  if (status !== 'FAILED') return 'stopped'
  if (isLockout(error, cause)) return 'lockout'
  if (step === 'retireSecret') return 'retire'
  return error?.startsWith('EventBridge.') ? 'announce' : 'execution'
}

/** Whether an execution failed because its rollback did, by its error and by its message, which begins with the step. */
export function isLockout(error: string | undefined, message: string | undefined): boolean {
  return error === 'LockedOut' || /^rollbackSecret: /.test(message ?? '')
}

/** The last sentence of docs/runbook.md's head: there is an entry for each of our errors, by its name. */
function anchorOf({ headline, error = '' }: Failure): string {
  const anchors: Partial<Record<typeof headline, string>> = {
    lockout: 'lockedout',
    retire: 'retiresecret-failed',
    announce: 'announcesuccess-failed',
    several: error in errors ? error.toLowerCase() : 'several-rotations-failed',
    run: 'run-failed',
    managed: 'managed-rotation-failed',
    abandoned: 'managed-rotation-failed',
  }
  return anchors[headline] ?? (error in errors ? error.toLowerCase() : 'execution-failed')
}

/**
 * An execution's name says it all. Without one, it is the failure of this secret at about this time. What is critical
 * has a name more, so that it is told even if the same failure was told of as an error.
 */
function keysOf({ execution, secret, headline, name: own }: Failure, event: string): Alarm['keys'] {
  if (own) return [own]
  const name = execution && `execution ${execution.split(':').at(-1)}`
  const [first, ...rest] = [
    ...(name && critical.includes(headline) ? [`${name} critical`] : []),
    ...(name ? [name] : []),
    ...(secret ? [`secret ${nameOf(secret)}`] : []),
  ]
  return first ? [first, ...rest] : [`event ${event}`]
}

/** A failed function's cause is JSON and begins with the step; any other is text. */
function explain(problem: Problem): Pick<Failure, 'error' | 'step' | 'cause'> {
  const { errorMessage } = v.parse(json(v.object({ errorMessage: text })), problem?.Cause) ?? {}
  const cause = errorMessage ?? problem?.Cause
  return {
    error: problem?.Error,
    step: /^(\w+Secret): /.exec(cause ?? '')?.[1],
    cause: cause && short(cause),
  }
}

const oneLine = (problem: Problem) =>
  Object.values(explain(problem))
    .filter((value, index) => value && index !== 1)
    .join(', ') || undefined
const short = (text: string) => text.replaceAll(/\s+/g, ' ').trim().slice(0, 300)

/** A secret's name, whether by name or by ARN, which adds six characters to it. */
const nameOf = (id: string) => /^arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:(.+)-\w{6}$/.exec(id)?.[1] ?? id

const consoles: Record<string, string> = {
  'aws-cn': 'console.amazonaws.cn',
  'aws-us-gov': 'console.amazonaws-us-gov.com',
}
function consoleOf(execution: string): string {
  const [, partition = '', , region = ''] = execution.split(':')
  const host = `${region}.${consoles[partition] ?? 'console.aws.amazon.com'}`
  return `https://${host}/states/home?region=${region}#/v2/executions/details/${execution}`
}
