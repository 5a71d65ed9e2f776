import { expect, test } from 'vitest'
import { topAdminOf, turnsOf, withoutAdminCycles } from '../../fleet/turns.ts'

/** Turns of the letters in `all`; in `named`, each `uA` says that u needs A. */
function turns(all: string, ...named: string[]): string[] {
  const admins = withoutAdminCycles(new Map(named.map(([user = '', admin = '']) => [user, admin])))
  return turnsOf([...all], admins).map(turn => turn.join(''))
}

test.each([
  ['no credentials: one empty turn', '', [], ['']],
  ['credentials without an admin: one turn, in order', 'cab', [], ['cab']],
  ['an admin first, then all others in order', 'uvAw', ['uA', 'wA'], ['A', 'uvw']],
  ['an admin of admins before them', 'uABv', ['uA', 'AB'], ['B', 'A', 'uv']],
  ['an admin that nobody needs early: as late as possible', 'uABvC', ['uA', 'AB', 'vC'], ['B', 'AC', 'uv']],
  ['an admin that does not rotate here: ignored', 'uv', ['uA'], ['uv']],
  ['an admin that does not rotate here, between two that do: ignored', 'uB', ['uA', 'AB'], ['B', 'u']],
  ['two admins that need each other: the first needs nobody', 'uAB', ['AB', 'BA', 'uA'], ['A', 'uB']],
  ['three admins in a circle: the first needs nobody', 'ABC', ['AB', 'BC', 'CA'], ['A', 'C', 'B']],
  ['an admin that names itself: needs nobody', 'Au', ['AA', 'uA'], ['A', 'u']],
] as const)('%s', (_, all, named, expected) => {
  expect(turns(all, ...named)).toEqual(expected)
})

test('the top of a chain of admins is found, also if the chain is a circle', () => {
  const admins = withoutAdminCycles(new Map(Object.entries({ u: 'A', A: 'B', v: 'C', C: 'D', D: 'C' })))
  expect([...'uABvCDx'].map(name => topAdminOf(name, admins))).toEqual([...'BBBCCCx'])
})
