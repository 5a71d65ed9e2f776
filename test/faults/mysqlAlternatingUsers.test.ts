import { faultMatrix } from './matrix.ts'
import { mysqlPlaces } from './places.ts'

faultMatrix('alternating-users', mysqlPlaces('mysql'), { extent: 'first' })
