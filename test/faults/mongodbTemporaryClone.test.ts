import { mongodbTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('temporary-clone', mongodbTestServers(), { extent: 'brief' })
