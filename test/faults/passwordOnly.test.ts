import { postgresPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('single-user', postgresPlaces(), { value: 'password-only' })
