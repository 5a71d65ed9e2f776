import { describe, inject } from 'vitest'
import { engineContract } from '../contracts/engine.ts'
import { subjectOf } from './mysqlSubject.ts'

describe.each(inject('mysql'))('$name', server => {
  engineContract(subjectOf(server))
})
