import type { StateName } from './states.ts'

/** The states of the state machine rotate that put an event on the event bus, by the event's detail type. */
export const ANNOUNCING_STATES = {
  'Credential Rotated': ['AnnounceSuccess'],
  'Credential Rotation Failed': ['AnnounceFailure', 'AnnounceLockout'],
  'Credential Retirement Failed': ['AnnounceRetirementFailure'],
  'Credential Replicas Behind': ['AnnounceReplicasBehind'],
  'Credential Replicated': ['AnnounceReplicated'],
} satisfies Record<string, StateName<'rotate'>[]>
