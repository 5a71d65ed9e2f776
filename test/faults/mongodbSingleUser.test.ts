import { mongodbPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('single-user', mongodbPlaces(), { extent: 'brief' })
