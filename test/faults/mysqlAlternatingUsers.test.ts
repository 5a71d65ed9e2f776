import { mysqlPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('alternating-users', mysqlPlaces('mysql'), { extent: 'first' })
