import { faultMatrix } from './matrix.ts'
import { redshiftPlaces } from './places.ts'

faultMatrix('temporary-clone', redshiftPlaces(), { thorough: false })
