import { describe } from 'vitest'
import { engineContract } from '../contracts/engine.ts'
import { standIns } from './redshiftStandIn.ts'
import { subjectOf } from './redshiftSubject.ts'

describe.each(standIns())('Redshift, with PostgreSQL $version standing in', server => {
  engineContract(subjectOf(server))
})
