import { hash } from 'node:crypto'
import { consoleUrlOf } from '../../fleet/consoleUrl.ts'
import { REMEDIES } from '../../fleet/remedies.ts'
import { shorten } from '../../rotation/shorten.ts'
import type { EventBridgeEvent } from './event.ts'
import { type Failure, isCritical, readFailure, type Success } from './failure.ts'
import { credentialName, keepEnd } from './format.ts'
import { HEADLINES, type Headline } from './headlines.ts'
import { runbookAnchorOf } from './runbookAnchors.ts'
import type { Verdict, VerifiedEvent } from './verifyEvent.ts'

/** What whoever is on call is told, in the forms that a mail and a chat need. */
export type Alarm = {
  /** Two alarms of one key tell of one failure. */
  key: string
  /** Names under which events with less detail may report the same failure. */
  otherKeys: string[]
  /** By this whoever keeps incidents knows which one it is. */
  incident: string
  /** The credential, if a rotation of it that goes well makes up for the failure. */
  credential?: string
  /** When it happened, in milliseconds. */
  happenedAt: number
  severity: Severity
  /** What it is about, whole. */
  title: string
  /** The same in at most 100 characters of printable ASCII, as SNS wants a subject. */
  subject: string
  /** What happened, in a sentence. */
  headline: string
  facts: [label: string, value: string][]
  runbook: string
  /** What to do in a sentence, and the command that tells how the credential stands. */
  remedy: string | undefined
  command: string | undefined
  /** Link to the execution in the console. */
  console: string | undefined
  /** Another event may tell the same failure with more detail, at about the same time. */
  secondHand: boolean
  /** Name of the execution, if a run that started it reports on it as well. */
  reportedExecution?: string
  /**
   * Names what it tells of, where that was there before the rotation: it is critical once, then an error for as long as
   * a rotation finds the same.
   */
  preexistingKey?: string
  /** What is late, by name, or does not follow, of which one has to be new today. */
  findings?: string[]
  /** What counts as told today by name, once this is. */
  coveredFindings?: string[]
  /** These names count as told for as long as they are found every few days. */
  toldOnlyOnce?: true
  /** CloudWatch has told the topic itself. */
  topicTold: boolean
  /** That replicas have followed, which makes up for nothing else: the rotation may be an earlier one than what failed. */
  replicasFollowed?: true
  /** Of what is made up for. */
  recoveredSeverities?: Severity[]
}

/** Where to look: path or URL of docs/runbook.md; and the stage and the Region of this stack. */
export type StackInfo = { runbook: string; stage: string; region: string }

/** `ok`: the failures of the credential are made up for. */
export type Severity = 'critical' | 'error' | 'ok'

/** Milliseconds. */
const DAY_MS = 86_400_000

/** Whether what it tells of has been borne out, in words for whoever reads it. */
const DOUBT_TEXTS: Record<Verdict, string> = {
  proven: 'in which state it ended could not be looked up',
  denied: 'no execution of this stack announced this',
  early: 'its execution goes on, and has not announced this',
  unknown: 'whether its execution announced this could not be looked up',
}

/**
 * Reads an event of one of the rules in resources/alarms.yml. Never throws: what cannot be read is left out, and an
 * event that cannot be read at all is an alarm of its own. Only fields that anybody may read are taken over. Undefined
 * if nobody has to be told.
 */
export function readAlarm(weighed: VerifiedEvent, guide: StackInfo): Alarm | undefined {
  const { event, verdict } = weighed
  const denied = verdict === 'denied' || verdict === 'early'
  const read = readFailure(weighed, guide.runbook)
  if (!read) return undefined
  const failure: Failure = denied ? { ...read, headline: 'denied', critical: false } : read
  const { headline, execution, error, step, cause, rollback, firstError, moreFacts = [] } = failure
  const severity = isCritical(failure) ? 'critical' : 'error'
  const moment = timestampOf(event)
  const own = eventKeyOf(event)
  const facts: [string, string | undefined][] = [
    [labelOf(failure), failure.id && credentialName(failure.id)],
    ['Step', step],
    ['Error', error],
    ['Cause', cause],
    ['Rollback', rollback],
    ['First error', firstError],
    ...moreFacts,
    ['Severity', severity],
    ['Doubt', doubtOf(weighed)],
    ['Account', event.account && `${event.account} ${event.region ?? ''}`.trim()],
    ['Time', event.time],
    ['Execution', execution],
    ['Event', [event.source, event['detail-type'], event.id].filter(Boolean).join(', ') || undefined],
  ]
  const credential = verdict === 'proven' ? credentialOf(failure) : undefined
  // What is not borne out silences nothing and joins nothing: it has a name of its own.
  const key = verdict === 'proven' ? keyOfFailure(failure, own) : own
  const anchor = runbookAnchorOf(failure)
  return {
    key,
    otherKeys: key.startsWith('execution ') && credential ? [`secret ${credential}`] : [],
    // Its severity is in it: whoever took note of an error must hear of what is critical as of something new.
    incident: incidentOf(`keyturn ${credential ?? key}`, severity),
    ...(credential && { credential }),
    happenedAt: failure.toldDaily ? moment - (moment % DAY_MS) : moment,
    severity,
    ...titleAndSubjectOf(severity, failure),
    headline: failure.sentence || HEADLINES[headline],
    facts: facts.flatMap(([label, value]) =>
      value === undefined ? [] : [[shorten(label, 80), oneLineOf(value)]],
    ),
    runbook: `${guide.runbook}#${anchor}`,
    remedy: headline === 'unknown' ? undefined : REMEDIES[anchor],
    command: commandFor(failure, guide),
    console: execution && consoleUrlOf(execution),
    secondHand: Boolean(failure.secondHand),
    topicTold: Boolean(failure.topicTold),
    ...(verdict === 'proven' && ledgerFieldsOf(failure, severity)),
  }
}

/** By what the table knows that it was told. What is not borne out silences nothing. */
function ledgerFieldsOf(
  { reportedByRun, execution, preexistingKey, findings, coveredFindings, toldOnlyOnce }: Failure,
  severity: Severity,
): Pick<Alarm, 'reportedExecution' | 'preexistingKey' | 'findings' | 'coveredFindings' | 'toldOnlyOnce'> {
  return {
    ...(reportedByRun &&
      severity === 'error' &&
      execution && { reportedExecution: executionName(execution) }),
    ...(preexistingKey && { preexistingKey }),
    ...(findings && { findings }),
    ...(coveredFindings && { coveredFindings }),
    ...(toldOnlyOnce && { toldOnlyOnce }),
  }
}

export const incidentOf = (name: string, severity: Severity) =>
  `${name}${severity === 'critical' ? ' critical' : ''}`

const doubtOf = ({ verdict, why }: VerifiedEvent) =>
  verdict === 'proven' && !why ? undefined : `${DOUBT_TEXTS[verdict]}${why ? ` (${why})` : ''}`

/** That a credential which had failed was rotated. */
export function recoveryAlarmOf(success: Success, event: EventBridgeEvent, guide: StackInfo): Alarm {
  const credential = `${success.store} ${credentialName(success.id)}`
  const headline = success.replicasFollowed ? 'followed' : 'well'
  return {
    key: `${success.replicasFollowed ? 'followed' : 'well'} ${credential}`,
    otherKeys: [],
    incident: `keyturn ${credential}`,
    credential,
    ...(success.replicasFollowed && { replicasFollowed: true }),
    happenedAt: timestampOf(event),
    severity: 'ok',
    ...titleAndSubjectOf('ok', { ...success, headline }),
    headline: HEADLINES[headline],
    facts: [
      [labelOf(success), credentialName(success.id)],
      ['Account', `${event.account ?? ''} ${event.region ?? ''}`.trim()],
      ['Time', event.time ?? ''],
      ['Execution', success.execution],
    ].filter((fact): fact is [string, string] => Boolean(fact[1])),
    runbook: guide.runbook,
    remedy: undefined,
    command: commandFor(success, guide),
    console: consoleUrlOf(success.execution),
    secondHand: false,
    topicTold: false,
  }
}

/** The same alarm as an error: what it tells of was told as critical before. */
export function downgradeToError({ preexistingKey, title, subject, facts, ...alarm }: Alarm): Alarm {
  const less = (text: string) => text.replace(/^CRITICAL/, 'ERROR')
  return {
    ...alarm,
    severity: 'error',
    incident: alarm.incident.replace(/ critical$/, ''),
    title: less(title),
    subject: less(subject),
    facts: facts.flatMap(([label, value]): [string, string][] =>
      label === 'Severity'
        ? [
            [label, 'error'],
            ['Before', 'told as critical within the last 90 days; what is found has not changed since'],
          ]
        : [[label, value]],
    ),
  }
}

/** The alarm as a mail's text. */
export function mailTextOf(alarm: Alarm): string {
  const { headline, console } = alarm
  const lines = [...linesOf(alarm), ...(console ? [['Console', console]] : [])]
  return [headline, '', ...lines.map(([label, value]) => `${`${label}: `.padEnd(13)}${value}`), ''].join('\n')
}

/** What to do first, as it is read at night; then the facts, and where it is explained. */
export const linesOf = ({ facts, runbook, remedy, command }: Alarm): [string, string][] => [
  ...(remedy ? [['What to do', remedy] satisfies [string, string]] : []),
  ...(command ? [['Command', command] satisfies [string, string]] : []),
  ...facts,
  ['Runbook', runbook],
]

/** How the credential stands. None for a name that a shell might take for more: an event may hold any. */
function commandFor({ store, id }: CredentialRef, { stage, region }: StackInfo): string | undefined {
  const kind = kindOf({ store })
  const name = id && credentialName(id)
  if (!kind || !name || !/^[\w/+=.@-]+$/.test(name)) return undefined
  return `keyturn status ${kind}:${name} --stage ${stage} --region ${region}`
}

const executionName = (execution: string) => execution.split(':').at(-1) ?? execution

/** An execution's name says it all. Without one, it is the failure of this credential at about this time. */
function keyOfFailure(failure: Failure, own: string): string {
  if (failure.key) return failure.key
  if (failure.execution) return `execution ${executionName(failure.execution)}`
  const credential = credentialOf(failure)
  return credential ? `secret ${credential}` : own
}

/** EventBridge gives each event its id, whoever sent it. */
const eventKeyOf = (event: EventBridgeEvent) => `event ${event.id ?? hash('sha256', JSON.stringify(event))}`

/** A secret and a parameter of one name are two credentials. */
function credentialOf({ store, id }: Failure): string | undefined {
  return store && id ? `${store} ${credentialName(id)}` : undefined
}

const KIND_BY_STORE: Record<string, string> = { 'secrets-manager': 'secret', 'parameter-store': 'parameter' }
type CredentialRef = { store?: string | undefined; id?: string | undefined }
const kindOf = ({ store = '' }: CredentialRef) =>
  Object.hasOwn(KIND_BY_STORE, store) ? KIND_BY_STORE[store] : undefined
function labelOf(which: CredentialRef): string {
  const kind = kindOf(which) ?? 'credential'
  return kind[0]?.toUpperCase() + kind.slice(1)
}

/** What became of the credential that `name` stands for, where that is not a failed rotation. */
const outcomePhrases: Partial<Record<Headline, (name: string) => string>> = {
  stopped: name => `rotation of ${name} was stopped midway`,
  harmless: name => `rotation of ${name} was stopped`,
  retire: name => `${name} was rotated, what it replaced is open`,
  stay: name => `${name} was rotated, and stays on its clone`,
  announce: name => `${name} was rotated, which was not announced`,
  behind: name => `${name} was rotated, and a replica does not follow`,
  promoted: name => `${name} was rotated, and was promoted elsewhere`,
  denied: name => `an event says that the rotation of ${name} failed`,
  well: name => `${name} was rotated`,
  followed: name => `${name} was rotated, and every Region has it`,
  unknown: () => 'an event that cannot be read',
}

/** Of a long name the end stays in the subject, which tells it from others that begin alike. */
function titleAndSubjectOf(
  severity: Severity,
  {
    error,
    whatFailed,
    headline,
    ...which
  }: Pick<Failure, 'error' | 'whatFailed' | 'headline' | 'store' | 'id'>,
): Pick<Alarm, 'title' | 'subject'> {
  const start = `${severity.toUpperCase()}${error ? ` ${shorten(error, 40)}` : ''}: `
  const say = outcomePhrases[headline] ?? ((name: string) => `rotation of ${name} failed`)
  const kind = which.id ? `${kindOf(which) ?? 'credential'} ` : 'a credential'
  const name = which.id ? oneLineOf(credentialName(which.id)) : ''
  const whole = `${start}${whatFailed ? oneLineOf(whatFailed) : say(kind + name)}`
  const around = whole.length - name.length
  const fitted =
    whatFailed || whole.length <= 100 ? whole : `${start}${say(kind + keepEnd(name, 100 - around))}`
  return { title: whole, subject: fitted.replaceAll(/[^ -~]/g, '?').slice(0, 100) }
}

const oneLineOf = (text: string) => text.replaceAll(/\s+/g, ' ').trim()

function timestampOf({ time }: EventBridgeEvent): number {
  const moment = Date.parse(time ?? '')
  return Number.isNaN(moment) ? Date.now() : moment
}
