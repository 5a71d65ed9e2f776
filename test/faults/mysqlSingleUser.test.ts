import { mysqlTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('single-user', mysqlTestServers('mysql'))
