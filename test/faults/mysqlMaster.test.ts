import { faultMatrix } from './matrix.ts'
import { mysqlPlaces } from './places.ts'

faultMatrix('master', mysqlPlaces('mysql'), { extent: 'brief' })
