import { faultMatrix } from './matrix.ts'

faultMatrix('single-user', 'password-only')
