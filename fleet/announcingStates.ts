import type { StateName } from './states.ts'

/** The states of rotate that announce something, by the type of the event that each puts on the bus. */
export const ANNOUNCING_STATES = {
  'Credential Rotated': ['AnnounceSuccess'],
  'Credential Rotation Failed': ['AnnounceFailure', 'AnnounceLockout'],
  'Credential Retirement Failed': ['AnnounceRetirementFailure'],
  'Credential Replicas Behind': ['AnnounceReplicasBehind'],
  'Credential Replicated': ['AnnounceReplicated'],
} satisfies Record<string, StateName<'rotate'>[]>
