import { expect, test } from 'vitest'
import { strategies } from '../../../rotation/strategies/index.ts'
import { CLOSING_STRATEGIES, STRATEGY_NAMES } from '../../../rotation/strategies/strategyNames.ts'

test('the list of the strategies that close something afterwards has all that do', () => {
  expect(CLOSING_STRATEGIES).toEqual(STRATEGY_NAMES.filter(name => strategies[name].retire))
})
