import { faultMatrix } from './matrix.ts'
import { mongodbPlaces } from './places.ts'

faultMatrix('single-user', mongodbPlaces(), { extent: 'brief' })
