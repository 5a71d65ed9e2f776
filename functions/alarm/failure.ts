import { hash } from 'node:crypto'
import { meaningOfEnding } from '../../fleet/endings.ts'
import type { StateName } from '../../fleet/states.ts'
import { LockedOut, type PromotedElsewhere } from '../../rotation/errors.ts'
import { isRehearsalMessage } from '../../rotation/runRehearsal.ts'
import { shorten } from '../../rotation/shorten.ts'
import { type CaughtError, causeMessageOf, type EventDetail, readDetail } from './event.ts'
import { factsOfFailureKinds } from './failureKinds.ts'
import { credentialName, listNames } from './format.ts'
import { CRITICAL_HEADLINES, type Headline } from './headlines.ts'
import type { EnteredState } from './histories.ts'
import { promotionEndFailure, promotionFailure, rehearsalFailure } from './promotionFailure.ts'
import {
  isPromotedElsewhere,
  laggingFindingOf,
  promotedFindingOf,
  replicaFindingsOf,
} from './replicaFindings.ts'
import type { VerifiedEvent } from './verifyEvent.ts'

/** What the kinds of events have in common. */
export type Failure = {
  headline: Headline
  store?: string | undefined
  /** The credential's name or ARN. */
  id?: string | undefined
  execution?: string | undefined
  error?: string | undefined
  step?: string | undefined
  cause?: string | undefined
  /** How the rollback ended; the table in docs/events.md says what the word means. */
  rollback?: string | undefined
  /** What made the rollback necessary that then failed. */
  firstError?: string | undefined
  /** A name of its own, where its execution's would not do. */
  key?: string | undefined
  /** What failed, if it is not the rotation of one credential. */
  whatFailed?: string | undefined
  moreFacts?: [label: string, value: string][]
  /** In place of the headline's own. */
  sentence?: string | undefined
  critical?: boolean
  /** The report of a run tells of it as well, if a run started it. */
  reportedByRun?: boolean
  /** Names a lockout that was there before, by credential, current version and what was found. */
  preexistingKey?: string | undefined
  /** What is late, by name, or does not follow. */
  findings?: string[]
  /** What counts as told by name, once this is. */
  coveredFindings?: string[]
  /** These are told once for as long as they are found every few days, and not once a day. */
  toldOnlyOnce?: boolean
  /** Goes on until somebody mends it: it is told once a day. */
  toldDaily?: boolean
  /** Another event tells the same failure, mostly with more detail, at about the same time. */
  secondHand?: boolean
  /** Whoever has the topic was told already. */
  topicTold?: boolean
}

/** A credential that was rotated; `everywhere`: its replicas have followed. */
export type Success = { store: string; id: string; execution: string; replicasFollowed?: true }

/** What an event tells of, if that is a success. */
export function readSuccess({ event }: VerifiedEvent): Success | undefined {
  const { store, id, execution } = event.detail ?? {}
  const kind = event['detail-type'] ?? ''
  const goesWell = ['Credential Rotated', 'Credential Replicated'].includes(kind)
  if (!goesWell || !store || !id || !execution) return undefined
  return { store, id, execution, ...(kind === 'Credential Replicated' && { replicasFollowed: true }) }
}

/** What an event tells of that is no success. Never throws. Undefined if it is nothing to be told. */
export function readFailure(weighed: VerifiedEvent, runbook: string): Failure | undefined {
  const reader = readers[weighed.event['detail-type'] ?? '']
  return reader ? reader(weighed.event.detail ?? {}, weighed, runbook) : { headline: 'unknown' }
}

type Reader = (detail: EventDetail, weighed: VerifiedEvent, runbook: string) => Failure | undefined
const readers: Record<string, Reader> = {
  // No prototype, as the name comes from the event.
  __proto__: null as never,

  'Credential Rotation Failed': ({ severity, execution, rotation }) => ({
    ...rotationFailure(severity === 'error' ? 'failed' : 'lockout', rotation),
    execution,
  }),

  'Credential Retirement Failed': ({ execution, rotation, state }) => ({
    ...rotationFailure(headlineOf(state, 'failed'), rotation),
    execution,
    step: state,
  }),

  'Credential Replicas Behind': ({ execution, rotation }) => ({
    ...rotationFailure(isPromotedElsewhere(rotation?.replication) ? 'promoted' : 'behind', rotation),
    execution,
    reportedByRun: false,
    // Its execution may fail too, much later.
    key: execution && `behind ${execution.split(':').at(-1)}`,
  }),

  'Credential Rotations Failed': ({ severity, execution, group, report }, _, runbook) => {
    const { host, rotated = 0, failed = 0, parked = 0, failures = [] } = report ?? {}
    const kinds = failures.flatMap(kind => (kind ? [kind] : []))
    const errors = kinds.flatMap(({ error }) => (error === 'Parked' ? [] : [error]))
    const where = host ? ` on ${shorten(host, 100)}` : ''
    return {
      headline: parked ? 'parked' : 'several',
      execution,
      error: errors.length === 1 ? errors[0] : undefined,
      whatFailed: parked
        ? `no answer from ${shorten(host ?? '', 100)}, ${parked} rotations wait`
        : `${failed} rotations${where} failed`,
      moreFacts: [
        ['Host', host ?? 'none, or not known'],
        ['Rotated', `${rotated}`],
        ['Failed', `${failed}`],
        ...(parked ? [['Parked', `${parked}`] as [string, string]] : []),
        ...factsOfFailureKinds(kinds, runbook),
      ],
      critical: severity !== 'error',
      key: group && `report ${group}`,
    }
  },

  'Credentials Late': ({ execution, late }, { event }) => {
    const { count = 0, names = [], behind, promoted } = late ?? {}
    const day = (event.time ?? new Date().toISOString()).slice(0, 10)
    // Behind the name stands the reason, which may be another one at the next look.
    const ofEach = (nameOf: (credential: string) => string) => ({
      findings: names.map(text => nameOf(text.split(': ')[0] ?? '')),
    })
    const which: Failure = promoted
      ? {
          headline: 'elsewhere',
          error: 'PromotedElsewhere' satisfies PromotedElsewhere['name'],
          whatFailed: `${count} credentials stand alone in another Region as well`,
          ...ofEach(promotedFindingOf),
          toldOnlyOnce: true,
        }
      : behind
        ? {
            headline: 'lagging',
            error: 'ReplicasBehind',
            whatFailed: `${count} credentials have a replica that does not follow`,
            ...ofEach(laggingFindingOf),
          }
        : { headline: 'late', whatFailed: `${count} credentials are late`, findings: names }
    return {
      ...which,
      execution,
      moreFacts: [[promoted ? 'Promoted' : behind ? 'Behind' : 'Late', listNames(names, count, 12_000)]],
      // Another name as soon as there are others.
      key: `late ${day} ${hash('sha256', [count, ...names].join('\n'))}`,
      toldDaily: true,
    }
  },

  'Promotion Finished': ({ execution, promotion }) => promotionFailure(execution, promotion),

  'Promotion Not Ready': ({ execution, promotion }) => rehearsalFailure(execution, promotion),

  'Step Functions Execution Status Change': (detail, { lastState }) => {
    const failure = statusChangeFailure(detail, lastState)
    return failure && { ...failure, execution: detail.executionArn }
  },

  'AWS Service Event via CloudTrail': ({
    eventName,
    errorMessage,
    additionalEventData,
    serviceEventDetails,
  }) => ({
    headline: eventName === 'RotationAbandoned' ? 'abandoned' : 'managed',
    store: 'secrets-manager',
    id: additionalEventData?.SecretId ?? serviceEventDetails?.secretId,
    error: eventName,
    step: /during (\w+) step/.exec(errorMessage ?? '')?.[1],
    cause: errorMessage && shorten(errorMessage),
    secondHand: true,
  }),

  'CloudWatch Alarm State Change': ({ alarmName = 'unknown' }, { event: { alarm } }) => {
    const { value, reason, timestamp } = alarm?.state ?? {}
    return {
      headline: 'alarm',
      whatFailed: `alarm ${shorten(alarmName, 100)} is ${value ?? 'in another state'}`,
      moreFacts: [['Alarm', alarmName], ...(reason ? [['Reason', shorten(reason)] as [string, string]] : [])],
      sentence: alarm?.configuration?.description && shorten(alarm.configuration.description, 600),
      critical: alarmName.endsWith('-locked-out'),
      key: `alarm ${alarmName} ${value} ${timestamp}`,
      topicTold: true,
    }
  },
}

function statusChangeFailure(detail: EventDetail, last: EnteredState | undefined): Failure | undefined {
  if (detail.stateMachineArn?.endsWith('-promote')) return promotionEndFailure(detail)
  return detail.stateMachineArn?.endsWith('-rotate-due') ? runFailure(detail) : executionFailure(detail, last)
}

const headlineOf = (state: string | undefined, how: 'failed' | 'stopped'): Headline =>
  meaningOfEnding(state ?? '', how)

/** What the state of an execution tells: in full, as far as it came. */
function rotationFailure(headline: Headline, rotation: EventDetail['rotation']): Failure {
  const { store, id, replaces, failure, lockout, retirement, replication, rollback } = rotation ?? {}
  const locked = headline === 'lockout'
  const after = ['retire', 'stay'].includes(headline)
  const apart = ['behind', 'promoted'].includes(headline)
  const problem = (locked && lockout) || (after && retirement) || (apart && replication) || failure
  const found =
    locked && problem?.Error === 'LockedOut' && causeMessageOf(problem)?.split(LockedOut.BEFORE_MARK)[1]
  return {
    headline: found ? 'before' : headline,
    store,
    id,
    ...explain(problem),
    rollback: locked ? 'failed' : rollback?.outcome,
    firstError: locked && lockout && failure ? errorInOneLine(failure) : undefined,
    ...(store && id && replicaFindingsOf(headline, problem, `${store} ${credentialName(id)}`)),
    // Who is locked out is told of at once, and one by one.
    reportedByRun: headline === 'failed',
    ...(found && {
      preexistingKey: `before ${hash('sha256', JSON.stringify([store, id, replaces, found]))}`,
    }),
  }
}

/** Of a run there is no announcement when it fails. */
function runFailure({ status, error, cause }: EventDetail): Failure {
  return {
    headline: 'run',
    ...explain({ Error: error, Cause: cause }),
    error: error ?? status,
    whatFailed: 'a run of what was due failed',
    key: `run failed ${error ?? status}`,
    toldDaily: true,
  }
}

/**
 * What Step Functions says: the announcement was lost, or something ended the execution from outside. `last` is the
 * state that it ended in; without that, the words have to do.
 */
function executionFailure(
  { status, error, cause, input }: EventDetail,
  last: EnteredState | undefined,
): Failure {
  const how = status === 'FAILED' ? 'failed' : 'stopped'
  const words = explain({ Error: error, Cause: cause })
  const state = last && stateOf(last)
  const headline = state ? headlineOf(state, how) : how === 'failed' ? headlineByWords(words) : 'stopped'
  const known = rotationFailure(headline, readDetail({ rotation: last?.input }).rotation)
  return {
    ...known,
    store: known.store ?? input?.store,
    id: known.id ?? input?.id,
    // What the execution failed with is what it ended by, whatever failed before.
    ...words,
    error: error ?? status,
    ...(state &&
      !(['RotationFailed', 'RollbackFailed'] satisfies StateName[] as StateName[]).includes(state) && {
        moreFacts: [['State', state]],
      }),
    secondHand: true,
  }
}

/** The state that failed, where the last is one that tells of that. */
function stateOf({ state, input }: EnteredState): StateName {
  const { failedState } = (input ?? {}) as { failedState?: unknown }
  const telling: StateName[] = ['AnnounceRetirementFailure', 'RetirementFailed']
  return telling.includes(state) && typeof failedState === 'string' ? (failedState as StateName) : state
}

/** An error of a function's own begins with the step. Of any other nobody can tell where it came from. */
function headlineByWords({ error, step, cause = '' }: Pick<Failure, 'error' | 'step' | 'cause'>): Headline {
  if (isRehearsalMessage(cause)) return 'failed'
  if (error === 'LockedOut' || step === 'rollbackSecret') return 'lockout'
  // The second: on a temporary clone, the rotation that should have followed could not be started.
  if (step === 'retireSecret') return 'retire'
  if (error?.startsWith('StepFunctions.')) return 'stay'
  if (error?.startsWith('EventBridge.')) return 'announce'
  return step ? 'failed' : 'unclear'
}

/** A failed function's message begins with the step. */
function explain(problem: CaughtError): Pick<Failure, 'error' | 'step' | 'cause'> {
  const cause = causeMessageOf(problem)
  return {
    error: problem?.Error,
    step: /^(\w+Secret): /.exec(cause ?? '')?.[1],
    cause: cause && shorten(cause),
  }
}

function errorInOneLine(problem: CaughtError): string | undefined {
  const { error, cause } = explain(problem)
  return [error, cause].filter(Boolean).join(', ') || undefined
}

/** Whether the application may be unable to log in, or nobody can tell. */
export const isCritical = (failure: Failure) =>
  failure.critical ?? CRITICAL_HEADLINES.includes(failure.headline)
