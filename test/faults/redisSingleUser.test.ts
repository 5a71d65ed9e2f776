import { redisTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('single-user', redisTestServers())
