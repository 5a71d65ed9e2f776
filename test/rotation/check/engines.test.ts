import { expect, test } from 'vitest'
import { checkCredential } from '../../../rotation/check/check.ts'
import type { Credential } from '../../../rotation/credential.ts'
import type { Engine } from '../../../rotation/engines/engine.ts'
import { engineTraits } from '../../../rotation/engines/traits.ts'
import { parseOptions } from '../../../rotation/options.ts'
import { MemoryStore } from '../../../rotation/stores/memory.ts'
import type { StrategyName } from '../../../rotation/strategies/strategyNames.ts'
import {
  type MatrixServer,
  mongodbTestServers,
  mysqlTestServers,
  postgresTestServers,
  redisTestServers,
  redshiftTestServers,
} from '../../support/testServers.ts'

const places = [
  ...postgresTestServers(),
  ...redshiftTestServers(),
  ...mysqlTestServers('mysql').slice(0, 1),
  ...mysqlTestServers('mariadb').slice(0, 1),
  ...mongodbTestServers(),
  ...redisTestServers(),
]
const asked = ['single-user', 'alternating-users', 'dual-password'] as const satisfies StrategyName[]

/** Checks a value, and counts the logins of that. */
async function look(place: MatrixServer, strategy: StrategyName, current: Credential, admin: Credential) {
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
    loadEngine: async () => engine,
    readAdmin: async () => admin,
    readConnection: () => Promise.reject(new Error('there is none')),
    rds: () => Promise.reject(new Error('there is none')),
    isRotating: async () => false,
    isExecutionRunning: async () => false,
    hasChangedNothing: async () => false,
    defaults: parseOptions({}),
  }
  const looks = { testMayWrite: false, loadCheckEngine: async () => engine }
  const { lines } = await checkCredential(pipeline, { store: 'secrets-manager', id: 'app' }, looks)
  const failed = lines.flatMap(({ line, state, error, says }) =>
    state === 'failed' ? [`${line} ${error}: ${says}`] : [],
  )
  return { failed, logins }
}

test.each(places.map(place => [place.name, place] as const))(
  '%s: what can rotate passes with one login for each value, and a refused value is tried once',
  async (_, place) => {
    for (const strategy of asked) {
      const { current, admin } = await place.makeApp(strategy)
      const actor = engineTraits[current.engine].actorByStrategy[strategy]
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
