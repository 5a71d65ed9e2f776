import { faultMatrix } from './matrix.ts'
import { mysqlPlaces } from './places.ts'

faultMatrix('single-user', mysqlPlaces('mariadb'))
