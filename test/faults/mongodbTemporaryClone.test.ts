import { mongodbPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('temporary-clone', mongodbPlaces(), { extent: 'brief' })
