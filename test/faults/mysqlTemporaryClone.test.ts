import { faultMatrix } from './matrix.ts'
import { mysqlPlaces } from './places.ts'

faultMatrix('temporary-clone', mysqlPlaces('mysql'), { extent: 'brief' })
