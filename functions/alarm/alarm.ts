import { createHash } from 'node:crypto'
import * as errors from '../../rotation/errors.ts'
import { type Failure, headlines, readFailure } from './failure.ts'

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
  /**
   * Names what it tells of, where that was there before the rotation: it is critical once, then an error for as long as
   * a rotation finds the same.
   */
  standing?: string
}

/** Milliseconds. */
const day = 86_400_000
const critical: string[] = ['lockout', 'before', 'stopped'] satisfies (keyof typeof headlines)[]

/**
 * Reads an event of one of the rules in resources/alarms.yml. Never throws: what cannot be read is left out, and an
 * event that cannot be read at all is an alarm of its own. Only fields that anybody may read are taken over.
 * @param runbook path or URL of docs/runbook.md
 */
export function readAlarm(raw: unknown, runbook: string): Alarm {
  const { failure, event } = readFailure(raw)
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
    standing,
    outdone,
  } = failure
  const severity = isCritical(failure) ? 'critical' : 'error'
  const time = Date.parse(event.time ?? '')
  const moment = Number.isNaN(time) ? Date.now() : time
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
    at: failure.daily ? moment - (moment % day) : moment,
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
    ...(standing && { standing }),
  }
}

/** The same alarm as an error, which by its names has been told as what it was before, too. */
export function lessened({ standing, subject, facts, ...alarm }: Alarm): Alarm {
  return {
    ...alarm,
    keys: [...alarm.keys.slice(1), ...alarm.keys.slice(0, 1)] as Alarm['keys'],
    severity: 'error',
    subject: subject.replace('CRITICAL', 'ERROR'),
    facts: facts.map(([label, value]) => (label === 'Severity' ? [label, 'error'] : [label, value])),
  }
}

const isCritical = (failure: Failure) => failure.critical ?? critical.includes(failure.headline)

/** The alarm as a mail's text. */
export function textOf({ headline, facts, runbook, console }: Alarm): string {
  const lines = [...facts, ['What to do', runbook], ...(console ? [['Console', console]] : [])]
  return [headline, '', ...lines.map(([label, value]) => `${`${label}:`.padEnd(13)}${value}`), ''].join('\n')
}

/** The last sentence of docs/runbook.md's head: there is an entry for each of our errors, by its name. */
function anchorOf({ headline, error = '' }: Failure): string {
  const anchors: Partial<Record<typeof headline, string>> = {
    lockout: 'lockedout',
    before: 'lockedout',
    retire: 'retiresecret-failed',
    announce: 'announcesuccess-failed',
    several: several(error),
    run: 'run-failed',
    late: 'late-credentials',
    managed: 'managed-rotation-failed',
    abandoned: 'managed-rotation-failed',
  }
  return anchors[headline] ?? entryOf(error)
}

const entryOf = (error: string) => (error in errors ? error.toLowerCase() : 'execution-failed')

/** Of one error, that error's entry. */
function several(error: string): string {
  if (!error) return 'several-rotations-failed'
  if (error === 'NotKnown') return 'start-or-watch-failed'
  return entryOf(error)
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
