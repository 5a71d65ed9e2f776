import { redshiftTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('alternating-users', redshiftTestServers(), { extent: 'brief' })
