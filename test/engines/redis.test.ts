import { describe, inject } from 'vitest'
import { engineContract } from '../contracts/engine.ts'
import { subjectOf } from './redisSubject.ts'

const servers = inject('redis')

describe.skipIf(!servers.length).each(servers)('$name', server => {
  engineContract(subjectOf(server))
})
