/** The states of a credential, the worst first. docs/cli.md explains each. */
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
/** The state of a credential. */
export type CredentialState = (typeof STATES)[number]

/** Whether a state needs attention: `unmanaged` or worse. */
export const isFinding = (state: CredentialState): boolean =>
  STATES.indexOf(state) <= STATES.indexOf('unmanaged')
