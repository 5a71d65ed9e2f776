import { postgresTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('alternating-users', postgresTestServers(), { only: 'first' })
