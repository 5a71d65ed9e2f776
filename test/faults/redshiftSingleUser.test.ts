import { faultMatrix } from './matrix.ts'
import { redshiftPlaces } from './places.ts'

faultMatrix('single-user', redshiftPlaces(), { extent: 'brief' })
