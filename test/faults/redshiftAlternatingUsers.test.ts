import { faultMatrix } from './matrix.ts'
import { redshiftPlaces } from './places.ts'

faultMatrix('alternating-users', redshiftPlaces(), { extent: 'brief' })
