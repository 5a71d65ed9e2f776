import { hash } from 'node:crypto'
import type { PromotedElsewhere } from '../../rotation/errors.ts'
import { shorten } from '../../rotation/shorten.ts'
import type { EventDetail } from './event.ts'
import type { Failure, Success } from './failure.ts'
import { factsOfFailureKinds } from './failureKinds.ts'
import { listNames } from './format.ts'
import type { EnteredState } from './histories.ts'
import { promotionEndFailure, promotionFailure, rehearsalFailure } from './promotionFailure.ts'
import { isPromotedElsewhere, laggingFindingOf, promotedFindingOf } from './replicaFindings.ts'
import { executionFailure, explain, headlineOfEnding, rotationFailure } from './rotationFailure.ts'
import type { VerifiedEvent } from './verifyEvent.ts'

/** The success that an event tells of; undefined for any other event. */
export function readSuccess({ event }: VerifiedEvent): Success | undefined {
  const { store, id, execution } = event.detail ?? {}
  const detailType = event['detail-type'] ?? ''
  const isSuccess = ['Credential Rotated', 'Credential Replicated'].includes(detailType)
  if (!isSuccess || !store || !id || !execution) return undefined
  return {
    store,
    id,
    execution,
    ...(detailType === 'Credential Replicated' && { replicasFollowed: true }),
  }
}

/**
 * The failure that an event tells of. An event of an unknown type is a failure with the headline `unknown`. It never throws.
 * @returns undefined if the event is nothing that a person has to know
 */
export function readFailure(verified: VerifiedEvent, runbook: string): Failure | undefined {
  const reader = readers[verified.event['detail-type'] ?? '']
  return reader ? reader(verified.event.detail ?? {}, verified, runbook) : { headline: 'unknown' }
}

type Reader = (detail: EventDetail, verified: VerifiedEvent, runbook: string) => Failure | undefined
/** How each type of event is read. */
const readers: Record<string, Reader> = {
  // No prototype, as the name comes from the event.
  __proto__: null as never,

  'Credential Rotation Failed': ({ severity, execution, rotation }) => ({
    ...rotationFailure(severity === 'error' ? 'failed' : 'lockout', rotation),
    execution,
  }),

  'Credential Retirement Failed': ({ execution, rotation, state }) => ({
    ...rotationFailure(headlineOfEnding(state, 'failed'), rotation),
    execution,
    step: state,
  }),

  'Credential Replicas Behind': ({ execution, rotation }) => ({
    ...rotationFailure(isPromotedElsewhere(rotation?.replication) ? 'promoted' : 'behind', rotation),
    execution,
    reportedByRun: false,
    // Not the execution's own key, since the execution may still fail, much later.
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
    // A text is `NAME: REASON`. Only the name becomes a finding, as the reason may be another one at the next look.
    const findingsOf = (nameOf: (credential: string) => string) => ({
      findings: names.map(text => nameOf(text.split(': ')[0] ?? '')),
    })
    const failure: Failure = promoted
      ? {
          headline: 'elsewhere',
          error: 'PromotedElsewhere' satisfies PromotedElsewhere['name'],
          whatFailed: `${count} credentials stand alone in another Region as well`,
          ...findingsOf(promotedFindingOf),
          toldOnlyOnce: true,
        }
      : behind
        ? {
            headline: 'lagging',
            error: 'ReplicasBehind',
            whatFailed: `${count} credentials have a replica that does not follow`,
            ...findingsOf(laggingFindingOf),
          }
        : { headline: 'late', whatFailed: `${count} credentials are late`, findings: names }
    return {
      ...failure,
      execution,
      moreFacts: [[promoted ? 'Promoted' : behind ? 'Behind' : 'Late', listNames(names, count, 12_000)]],
      // The key has the names, so that an event with another list of names is another failure.
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

/** The failure of an execution of rotate, rotate-due or promote, as Step Functions reports it. */
function statusChangeFailure(detail: EventDetail, lastState: EnteredState | undefined): Failure | undefined {
  if (detail.stateMachineArn?.endsWith('-promote')) return promotionEndFailure(detail)
  return detail.stateMachineArn?.endsWith('-rotate-due')
    ? runFailure(detail)
    : executionFailure(detail, lastState)
}

/** The failure of an execution of rotate-due, which announces nothing when it fails. */
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
