import { faultMatrix } from './matrix.ts'
import { postgresPlaces } from './places.ts'

faultMatrix('temporary-clone', postgresPlaces().slice(0, 1), { extent: 'first' })
