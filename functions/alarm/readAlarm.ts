import { hash } from 'node:crypto'
import { consoleUrlOf } from '../../fleet/consoleUrl.ts'
import { REMEDIES } from '../../fleet/remedies.ts'
import { shorten } from '../../rotation/shorten.ts'
import { DAY_MS } from '../../rotation/timeUnits.ts'
import { type Alarm, incidentOf, type Severity, type StackInfo } from './alarm.ts'
import type { EventBridgeEvent } from './event.ts'
import { type Failure, isCritical, type Success } from './failure.ts'
import { credentialName, oneLineOf } from './format.ts'
import { HEADLINES } from './headlines.ts'
import { readFailure } from './readFailure.ts'
import { runbookAnchorOf } from './runbookAnchors.ts'
import { type CredentialRef, credentialKindOf, credentialLabelOf, titleAndSubjectOf } from './titles.ts'
import type { Verdict, VerifiedEvent } from './verifyEvent.ts'

/** What an alarm says of an event about which something could not be looked up, or which the history does not confirm. */
const DOUBT_TEXTS: Record<Verdict, string> = {
  proven: 'in which state it ended could not be looked up',
  denied: 'no execution of this stack announced this',
  early: 'its execution goes on, and has not announced this',
  unknown: 'whether its execution announced this could not be looked up',
}

/**
 * Makes an alarm of an event of one of the rules in resources/alarms.yml. Fields that cannot be read are left out, and an event
 * that cannot be read at all is an alarm of its own. Only fields that everybody may see are copied. It never throws.
 * @returns undefined if the event is nothing that a person has to know
 */
export function readAlarm(verified: VerifiedEvent, stack: StackInfo): Alarm | undefined {
  const { event, verdict } = verified
  const isDenied = verdict === 'denied' || verdict === 'early'
  const read = readFailure(verified, stack.runbook)
  if (!read) return undefined
  const failure: Failure = isDenied ? { ...read, headline: 'denied', critical: false } : read
  const { headline, execution, error, step, cause, rollback, firstError, moreFacts = [] } = failure
  const severity = isCritical(failure) ? 'critical' : 'error'
  const timestamp = timestampOf(event)
  const eventKey = eventKeyOf(event)
  const facts: [string, string | undefined][] = [
    [credentialLabelOf(failure), failure.id && credentialName(failure.id)],
    ['Step', step],
    ['Error', error],
    ['Cause', cause],
    ['Rollback', rollback],
    ['First error', firstError],
    ...moreFacts,
    ['Severity', severity],
    ['Doubt', doubtOf(verified)],
    ['Account', event.account && `${event.account} ${event.region ?? ''}`.trim()],
    ['Time', event.time],
    ['Execution', execution],
    ['Event', [event.source, event['detail-type'], event.id].filter(Boolean).join(', ') || undefined],
  ]
  const credential = verdict === 'proven' ? credentialOf(failure) : undefined
  // An unconfirmed event has a key of its own, so that it cannot keep another alarm from being sent.
  const key = verdict === 'proven' ? keyOfFailure(failure, eventKey) : eventKey
  const anchor = runbookAnchorOf(failure)
  return {
    key,
    otherKeys: key.startsWith('execution ') && credential ? [`secret ${credential}`] : [],
    // A critical failure is another incident than an error, so that people who have acknowledged the error are called again.
    incident: incidentOf(`keyturn ${credential ?? key}`, severity),
    ...(credential && { credential }),
    happenedAt: failure.toldDaily ? timestamp - (timestamp % DAY_MS) : timestamp,
    severity,
    ...titleAndSubjectOf(severity, failure),
    headline: failure.sentence || HEADLINES[headline],
    facts: facts.flatMap(([label, value]) =>
      value === undefined ? [] : [[shorten(label, 80), oneLineOf(value)]],
    ),
    runbook: `${stack.runbook}#${anchor}`,
    remedy: headline === 'unknown' ? undefined : REMEDIES[anchor],
    command: commandFor(failure, stack),
    console: execution && consoleUrlOf(execution),
    topicTold: Boolean(failure.topicTold),
    ...(verdict === 'proven' && ledgerFieldsOf(failure, severity)),
  }
}

/** The fields of an alarm by which the ledger decides whether to send it. */
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

/** Why the reader may doubt the event; undefined if there is no reason to. */
const doubtOf = ({ verdict, why }: VerifiedEvent) =>
  verdict === 'proven' && !why ? undefined : `${DOUBT_TEXTS[verdict]}${why ? ` (${why})` : ''}`

/** Makes the alarm that says that a credential whose rotation had failed was rotated, or that its replicas follow again. */
export function recoveryAlarmOf(success: Success, event: EventBridgeEvent, stack: StackInfo): Alarm {
  const credential = `${success.store} ${credentialName(success.id)}`
  const headline = success.replicasFollowed ? 'followed' : 'well'
  return {
    key: `${headline} ${credential}`,
    otherKeys: [],
    incident: `keyturn ${credential}`,
    credential,
    ...(success.replicasFollowed && { replicasFollowed: true }),
    happenedAt: timestampOf(event),
    severity: 'ok',
    ...titleAndSubjectOf('ok', { ...success, headline }),
    headline: HEADLINES[headline],
    facts: [
      [credentialLabelOf(success), credentialName(success.id)],
      ['Account', `${event.account ?? ''} ${event.region ?? ''}`.trim()],
      ['Time', event.time ?? ''],
      ['Execution', success.execution],
    ].filter((fact): fact is [string, string] => Boolean(fact[1])),
    runbook: stack.runbook,
    remedy: undefined,
    command: commandFor(success, stack),
    console: consoleUrlOf(success.execution),
    topicTold: false,
  }
}

/**
 * The command that shows the credential's status. There is none for a name with characters that a shell interprets, because an
 * event may contain any name and people paste the command.
 */
function commandFor({ store, id }: CredentialRef, { stage, region }: StackInfo): string | undefined {
  const kind = credentialKindOf({ store })
  const name = id && credentialName(id)
  if (!kind || !name || !/^[\w/+=.@-]+$/.test(name)) return undefined
  return `keyturn status ${kind}:${name} --stage ${stage} --region ${region}`
}

const executionName = (execution: string) => execution.split(':').at(-1) ?? execution

/**
 * The key of a confirmed failure: `failure.key`, or else its execution's name, or else its credential, or else the event's own key.
 */
function keyOfFailure(failure: Failure, eventKey: string): string {
  if (failure.key) return failure.key
  if (failure.execution) return `execution ${executionName(failure.execution)}`
  const credential = credentialOf(failure)
  return credential ? `secret ${credential}` : eventKey
}

/** The key of an event that has no better one. EventBridge gives every event an id of its own, whoever sent it. */
const eventKeyOf = (event: EventBridgeEvent) => `event ${event.id ?? hash('sha256', JSON.stringify(event))}`

/** A credential as `STORE NAME`: a secret and a parameter may have the same name. */
function credentialOf({ store, id }: Failure): string | undefined {
  return store && id ? `${store} ${credentialName(id)}` : undefined
}

/** When an event was sent, in milliseconds since 1970; now, if it does not say so. */
function timestampOf({ time }: EventBridgeEvent): number {
  const timestamp = Date.parse(time ?? '')
  return Number.isNaN(timestamp) ? Date.now() : timestamp
}
