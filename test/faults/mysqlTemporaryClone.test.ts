import { mysqlTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('temporary-clone', mysqlTestServers('mysql'), { extent: 'brief' })
