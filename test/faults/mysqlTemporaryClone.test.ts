import { mysqlPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('temporary-clone', mysqlPlaces('mysql'), { extent: 'brief' })
