import { mysqlPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('dual-password', mysqlPlaces('mariadb'), { extent: 'first' })
