import { inject } from 'vitest'
import { MYSQL_FLAVOURS } from '../../local/servers/mysql.ts'
import { mysqlWorld } from './mysqlWorld.ts'

const engines = inject('mysql').map(({ engine }) => engine)
for (const flavour of MYSQL_FLAVOURS.filter(({ engine }) => engine === 'mysql' && engines.includes('mysql')))
  await mysqlWorld(flavour)
