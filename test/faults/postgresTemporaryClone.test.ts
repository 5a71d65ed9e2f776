import { postgresPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('temporary-clone', postgresPlaces().slice(0, 1), { extent: 'first' })
