/** How a credential stands, from the worst on: whatever comes first is what is told. */
export const STATES = [
  'locked-out',
  'stopped',
  'stuck',
  'failed',
  'parked',
  'late',
  'behind',
  'not-closed',
  'unmanaged',
  'rotating',
  'grace',
  'waiting',
  'by-hand',
] as const
export type CredentialState = (typeof STATES)[number]

/** Those that somebody should look at. */
export const isFinding = (state: CredentialState): boolean =>
  STATES.indexOf(state) <= STATES.indexOf('unmanaged')
