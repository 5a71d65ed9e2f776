import { redisTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('temporary-clone', redisTestServers(), { extent: 'first' })
