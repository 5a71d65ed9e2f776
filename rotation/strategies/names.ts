export const strategyNames = [
  'single-user',
  'alternating-users',
  'temporary-clone',
  'dual-password',
  'master',
] as const
export type StrategyName = (typeof strategyNames)[number]
