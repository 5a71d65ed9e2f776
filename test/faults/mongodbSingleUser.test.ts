import { mongodbTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('single-user', mongodbTestServers(), { extent: 'brief' })
