import { inject } from 'vitest'
import { pooledPlace } from '../pooler/place.ts'
import { faultMatrix } from './matrix.ts'

const places = inject('pgbouncer')
  .filter(
    ({ mode, userLookup, name }) =>
      userLookup === 'auth_query' && mode === 'transaction' && name.includes('trixie'),
  )
  .map(pgbouncer => pooledPlace(pgbouncer, { asks: true }))

faultMatrix('single-user', places, { extent: 'brief' })
faultMatrix('alternating-users', places, { extent: 'brief' })
