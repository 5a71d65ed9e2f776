import { mysqlPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('temporary-clone', mysqlPlaces('mariadb'), { extent: 'brief' })
