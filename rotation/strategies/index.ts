import { AlternatingUsers } from './alternatingUsers.ts'
import { SingleUser } from './singleUser.ts'
import type { Strategy, StrategyName } from './strategy.ts'

export const strategies: Record<StrategyName, Strategy> = {
  'single-user': new SingleUser(),
  'alternating-users': new AlternatingUsers(),
}
