import { faultMatrix } from './matrix.ts'
import { mysqlPlaces } from './places.ts'

faultMatrix('temporary-clone', mysqlPlaces('mariadb'), { extent: 'brief' })
