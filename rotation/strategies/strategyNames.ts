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

/** The strategies under which the replaced user or password can log in until the grace time ends, and is closed then. */
export const CLOSING_STRATEGIES: readonly string[] = [
  'alternating-users',
  'temporary-clone',
  'dual-password',
] satisfies StrategyName[]
