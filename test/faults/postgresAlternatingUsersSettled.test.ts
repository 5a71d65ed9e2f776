import { faultMatrix } from './matrix.ts'
import { postgresPlaces } from './places.ts'

faultMatrix('alternating-users', postgresPlaces(), { only: 'settled' })
