import { readFileSync } from 'node:fs'
import { InvalidOption } from '../../rotation/errors.ts'
import { type HostMap, parseHostMap } from '../../rotation/promotion/hostMap.ts'
import type { HostSources } from '../../rotation/promotion/moveToThisRegion.ts'
import { REQUEST_TIMEOUTS } from './requestTimeouts.ts'

/**
 * Reads the file that says which host of this Region replaces which host of a lost Region. Without a path, the map is empty.
 * @throws InvalidOption the file cannot be read or is no such map
 */
export function readHostMap(path: string | undefined): HostMap {
  if (!path) return new Map()
  try {
    return parseHostMap(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new InvalidOption('hostMap', `${path}: ${(error as Error).message}`)
  }
}

let databaseCopies: ReturnType<HostSources['loadDatabaseCopies']> | undefined

/** Where this function looks up hosts: in the deployment's host map, and at RDS. @throws InvalidOption of the host map */
export const ownHosts = (): HostSources => ({
  map: readHostMap(process.env.KEYTURN_HOST_MAP),
  loadDatabaseCopies() {
    databaseCopies ??= (async () => {
      const { DatabaseCopies } = await import('../../rotation/promotion/databaseCopies.ts')
      return DatabaseCopies.fromConfig({ requestHandler: REQUEST_TIMEOUTS })
    })()
    return databaseCopies
  },
})
