import { redisPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('single-user', redisPlaces())
