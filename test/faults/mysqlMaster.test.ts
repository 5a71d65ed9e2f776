import { mysqlTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('master', mysqlTestServers('mysql'), { extent: 'brief' })
