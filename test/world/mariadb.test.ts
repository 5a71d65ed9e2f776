import { inject } from 'vitest'
import { flavours } from '../../local/servers/mysql.ts'
import { mysqlWorld } from './mysqlWorld.ts'

const engines = inject('mysql').map(({ engine }) => engine)
for (const flavour of flavours
  .filter(({ engine }) => engine === 'mariadb' && engines.includes('mariadb'))
  .slice(-1))
  await mysqlWorld(flavour)
