import { redshiftTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('single-user', redshiftTestServers(), { extent: 'brief' })
