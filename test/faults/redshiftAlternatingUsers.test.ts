import { redshiftPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('alternating-users', redshiftPlaces(), { extent: 'brief' })
