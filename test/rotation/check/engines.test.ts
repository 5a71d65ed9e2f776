import { expect, test } from 'vitest'
import { check } from '../../../rotation/check/check.ts'
import type { Credential } from '../../../rotation/credential.ts'
import type { Engine } from '../../../rotation/engines/engine.ts'
import { traits } from '../../../rotation/engines/traits.ts'
import { parseOptions } from '../../../rotation/options.ts'
import { MemoryStore } from '../../../rotation/stores/memory.ts'
import type { StrategyName } from '../../../rotation/strategies/names.ts'
import {
  mongodbPlaces,
  mysqlPlaces,
  type Place,
  postgresPlaces,
  redisPlaces,
  redshiftPlaces,
} from '../../support/places.ts'

const places = [
  ...postgresPlaces(),
  ...redshiftPlaces(),
  ...mysqlPlaces('mysql').slice(0, 1),
  ...mysqlPlaces('mariadb').slice(0, 1),
  ...mongodbPlaces(),
  ...redisPlaces(),
]
const asked = ['single-user', 'alternating-users', 'dual-password'] as const satisfies StrategyName[]

/** Checks a value, and counts the logins of that. */
async function look(place: Place, strategy: StrategyName, current: Credential, admin: Credential) {
  const store = new MemoryStore()
  const tags = { 'keyturn:managed': 'true', 'keyturn:strategy': strategy, ...place.tags }
  store.create('app', 'first'.padEnd(32, '0'), current, tags)
  let logins = 0
  const real = place.engine((_, effect) => effect())
  const engine: Engine = {
    login(...credential) {
      logins++
      return real.login(...credential)
    },
  }
  const pipeline = {
    store,
    engine: async () => engine,
    admin: async () => admin,
    connection: () => Promise.reject(new Error('there is none')),
    rds: () => Promise.reject(new Error('there is none')),
    rotating: async () => false,
    running: async () => false,
    untouched: async () => false,
    defaults: parseOptions({}),
  }
  const looks = { testMayWrite: false, engines: async () => engine }
  const { lines } = await check(pipeline, { store: 'secrets-manager', id: 'app' }, looks)
  const failed = lines.flatMap(({ line, state, error, says }) =>
    state === 'failed' ? [`${line} ${error}: ${says}`] : [],
  )
  return { failed, logins }
}

test.each(places.map(place => [place.name, place] as const))(
  '%s: what rotates passes, with one login for each value; a refused one is not tried again',
  async (_, place) => {
    for (const strategy of asked) {
      const { current, admin } = await place.makeApp(strategy)
      const actor = traits[current.engine].strategies[strategy]
      if (!actor) continue
      const good = await look(place, strategy, current, admin)
      expect(good, strategy).toEqual({ failed: [], logins: actor === 'admin' ? 2 : 1 })
      expect(await place.admits(current)).toBe(true)
      const refused = await look(place, strategy, current.with({ password: 'another' }), admin)
      expect(refused, strategy).toEqual({
        failed: [expect.stringMatching(/^login LoginRefused: /)],
        logins: 1,
      })
    }
  },
)
