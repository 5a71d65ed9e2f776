import { mongodbPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('alternating-users', mongodbPlaces(), { extent: 'brief' })
