import { postgresTestServers } from '../support/testServers.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('single-user', postgresTestServers())
