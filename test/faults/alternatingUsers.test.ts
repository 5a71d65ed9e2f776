import { faultMatrix } from './matrix.ts'

faultMatrix('alternating-users')
