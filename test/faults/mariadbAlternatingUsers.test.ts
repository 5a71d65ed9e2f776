import { mysqlTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('alternating-users', mysqlTestServers('mariadb'), { extent: 'first' })
