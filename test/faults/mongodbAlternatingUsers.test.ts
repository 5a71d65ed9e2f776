import { mongodbTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('alternating-users', mongodbTestServers(), { extent: 'brief' })
