/** The names of the strategies, as in the tag `keyturn:strategy`. */
export const STRATEGY_NAMES = [
  'single-user',
  'alternating-users',
  'temporary-clone',
  'dual-password',
  'master',
] as const
/** The name of a strategy. */
export type StrategyName = (typeof STRATEGY_NAMES)[number]
