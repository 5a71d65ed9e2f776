import { faultMatrix } from './matrix.ts'
import { postgresPlaces } from './places.ts'

faultMatrix('single-user', postgresPlaces(), { value: 'opaque' })
