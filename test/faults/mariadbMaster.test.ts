import { mysqlPlaces } from '../support/places.ts'
import { faultMatrix } from './matrix.ts'

faultMatrix('master', mysqlPlaces('mariadb'), { extent: 'brief' })
