import { mysqlPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('master', mysqlPlaces('mysql'), { extent: 'brief' })
