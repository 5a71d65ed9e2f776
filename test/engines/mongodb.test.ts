import { beforeAll, describe, inject } from 'vitest'
import { engineContract } from '../contracts/engine.ts'
import { lockSlowCollection } from '../mongodbDatabase.ts'
import { subjectOf } from './mongodbSubject.ts'

describe.each(inject('mongodb'))('$name', server => {
  beforeAll(() => lockSlowCollection(server))
  engineContract(subjectOf(server))
})
