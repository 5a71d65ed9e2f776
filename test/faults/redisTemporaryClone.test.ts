import { faultMatrix } from './matrix.ts'
import { redisPlaces } from './places.ts'

faultMatrix('temporary-clone', redisPlaces(), { extent: 'first' })
