import { mysqlTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('dual-password', mysqlTestServers('mariadb'), { extent: 'first' })
