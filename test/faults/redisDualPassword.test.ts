import { faultMatrix } from './matrix.ts'
import { redisPlaces } from './places.ts'

faultMatrix('dual-password', redisPlaces())
