import { redshiftPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('temporary-clone', redshiftPlaces(), { extent: 'brief' })
