import { faultMatrix } from './matrix.ts'
import { redisPlaces } from './places.ts'

faultMatrix('alternating-users', redisPlaces())
