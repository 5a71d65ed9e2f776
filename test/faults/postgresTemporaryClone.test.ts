import { postgresTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('temporary-clone', postgresTestServers().slice(0, 1), { extent: 'first' })
