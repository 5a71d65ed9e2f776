/** How a credential stands, from the worst on: whatever comes first is what is told. */
export const states = [
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
export type State = (typeof states)[number]

/** Those that somebody should look at. */
export const isFinding = (state: State): boolean => states.indexOf(state) <= states.indexOf('unmanaged')
