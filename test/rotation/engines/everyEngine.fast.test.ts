import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ENGINE_NAMES } from '../../../rotation/engines/traits.ts'

/** Where each engine is held to the contract of test/support/contracts/engine.ts. */
const CONTRACTS: Record<(typeof ENGINE_NAMES)[number], string> = {
  postgres: 'postgres/postgres',
  redshift: 'redshift/redshift',
  mysql: 'mysql/mysql',
  mariadb: 'mysql/mysql',
  mongo: 'mongodb/mongodb',
  redis: 'redis/redis',
}

test.each(ENGINE_NAMES)('%s has a file that runs the contract of engines', engine => {
  const text = readFileSync(join(import.meta.dirname, `${CONTRACTS[engine]}.test.ts`), 'utf8')
  expect(text).toContain('engineContract(')
})

test.each(ENGINE_NAMES)('%s is in the tables of docs/engines.md', engine => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/engines.md'), 'utf8')
  expect(page).toMatch(new RegExp(`^\\|.*\`${engine}\``, 'm'))
})
