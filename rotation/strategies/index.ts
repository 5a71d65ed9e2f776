import { AlternatingUsers } from './alternatingUsers.ts'
import { DualPassword } from './dualPassword.ts'
import { Master } from './master.ts'
import { SingleUser } from './singleUser.ts'
import type { Strategy } from './strategy.ts'
import type { StrategyName } from './strategyNames.ts'
import { TemporaryClone } from './temporaryClone.ts'

/** Every strategy, by the name that the tag `keyturn:strategy` has for it. */
export const strategies: Record<StrategyName, Strategy> = {
  'single-user': new SingleUser(),
  'alternating-users': new AlternatingUsers(),
  'temporary-clone': new TemporaryClone(),
  'dual-password': new DualPassword(),
  master: new Master(),
}
