import { faultMatrix } from './matrix.ts'
import { mysqlPlaces } from './places.ts'

faultMatrix('dual-password', mysqlPlaces('mariadb'), { extent: 'first' })
