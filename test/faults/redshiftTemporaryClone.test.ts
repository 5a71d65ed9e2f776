import { faultMatrix } from './matrix.ts'
import { redshiftPlaces } from './places.ts'

faultMatrix('temporary-clone', redshiftPlaces(), { extent: 'brief' })
