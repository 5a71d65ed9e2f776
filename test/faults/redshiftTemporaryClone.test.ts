import { redshiftTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('temporary-clone', redshiftTestServers(), { extent: 'brief' })
