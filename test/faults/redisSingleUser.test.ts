import { faultMatrix } from './matrix.ts'
import { redisPlaces } from './places.ts'

faultMatrix('single-user', redisPlaces())
