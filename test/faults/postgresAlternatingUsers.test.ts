import { postgresPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('alternating-users', postgresPlaces(), { only: 'first' })
