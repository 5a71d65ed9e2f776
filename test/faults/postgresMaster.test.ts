import { postgresTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('master', postgresTestServers().slice(0, 1), { extent: 'brief' })
