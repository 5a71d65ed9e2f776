import { redisPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('temporary-clone', redisPlaces(), { extent: 'first' })
