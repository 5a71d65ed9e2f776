export const STRATEGY_NAMES = [
  'single-user',
  'alternating-users',
  'temporary-clone',
  'dual-password',
  'master',
] as const
export type StrategyName = (typeof STRATEGY_NAMES)[number]
