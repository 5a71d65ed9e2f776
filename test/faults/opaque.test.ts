import { faultMatrix } from './matrix.ts'

faultMatrix('single-user', 'opaque')
