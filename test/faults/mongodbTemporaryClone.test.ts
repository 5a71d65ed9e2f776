import { faultMatrix } from './matrix.ts'
import { mongodbPlaces } from './places.ts'

faultMatrix('temporary-clone', mongodbPlaces(), { extent: 'brief' })
