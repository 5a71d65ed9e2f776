import { postgresPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('master', postgresPlaces().slice(0, 1), { extent: 'brief' })
