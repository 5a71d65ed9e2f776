import { faultMatrix } from './matrix.ts'
import { mongodbPlaces } from './places.ts'

faultMatrix('alternating-users', mongodbPlaces(), { extent: 'brief' })
