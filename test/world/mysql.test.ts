import { inject } from 'vitest'
import { flavours } from '../../local/servers/mysql.ts'
import { mysqlWorld } from './mysqlWorld.ts'

const engines = inject('mysql').map(({ engine }) => engine)
for (const flavour of flavours.filter(({ engine }) => engine === 'mysql' && engines.includes('mysql')))
  await mysqlWorld(flavour)
