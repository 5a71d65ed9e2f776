import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { EngineName } from '../../rotation/engines/traits.ts'
import { engineTraits } from '../../rotation/engines/traits.ts'

/** The functions by which the files of this folder get the servers of an engine. */
const servers: Record<EngineName, string> = {
  postgres: 'postgresTestServers()',
  redshift: 'redshiftTestServers()',
  mysql: `mysqlTestServers('mysql')`,
  mariadb: `mysqlTestServers('mariadb')`,
  mongo: 'mongodbTestServers()',
  redis: 'redisTestServers()',
  opaque: `postgresTestServers(), { value: 'opaque'`,
}

test('every strategy that an engine allows has a fault matrix of its own', () => {
  const here = readdirSync(import.meta.dirname).filter(file => file.endsWith('.test.ts'))
  const written = here.map(file => readFileSync(join(import.meta.dirname, file), 'utf8')).join('')
  for (const [engine, { actorByStrategy }] of Object.entries(engineTraits))
    for (const strategy of Object.keys(actorByStrategy))
      expect(written).toContain(`\nfaultMatrix('${strategy}', ${servers[engine as EngineName]}`)
})
