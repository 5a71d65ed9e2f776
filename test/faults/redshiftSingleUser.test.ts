import { redshiftPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('single-user', redshiftPlaces(), { extent: 'brief' })
