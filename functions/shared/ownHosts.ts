import { readFileSync } from 'node:fs'
import { InvalidOption } from '../../rotation/errors.ts'
import { type HostMap, parseHostMap } from '../../rotation/promotion/hostMap.ts'
import type { HostSources } from '../../rotation/promotion/moveToThisRegion.ts'
import { REQUEST_TIMEOUTS } from './requestTimeouts.ts'

/** Which host takes the place of which. @throws InvalidOption if the file is no such map */
export function readHostMap(path: string | undefined): HostMap {
  if (!path) return new Map()
  try {
    return parseHostMap(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new InvalidOption('hostMap', `${path}: ${(error as Error).message}`)
  }
}

let copies: ReturnType<HostSources['loadDatabaseCopies']> | undefined

/** By what this function finds hosts: the deployer's map, and RDS. */
export const ownHosts = (): HostSources => ({
  map: readHostMap(process.env.KEYTURN_HOST_MAP),
  loadDatabaseCopies() {
    copies ??= (async () => {
      const { DatabaseCopies } = await import('../../rotation/promotion/databaseCopies.ts')
      return DatabaseCopies.fromConfig({ requestHandler: REQUEST_TIMEOUTS })
    })()
    return copies
  },
})
