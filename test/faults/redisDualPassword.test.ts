import { redisTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('dual-password', redisTestServers())
