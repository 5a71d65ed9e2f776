import { readFileSync } from 'node:fs'
import { InvalidOption } from '../../rotation/errors.ts'
import { type HostMap, parseHostMap } from '../../rotation/promotion/hostMap.ts'
import type { Hosts } from '../../rotation/promotion/hosts.ts'
import { requestHandler } from './requestHandler.ts'

/** Which host takes the place of which. @throws InvalidOption if the file is no such map */
export function readHostMap(path: string | undefined): HostMap {
  if (!path) return new Map()
  try {
    return parseHostMap(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new InvalidOption('hostMap', `${path}: ${(error as Error).message}`)
  }
}

let copies: ReturnType<Hosts['copies']> | undefined

/** By what this function finds hosts: the deployer's map, and RDS. */
export const ownHosts = (): Hosts => ({
  map: readHostMap(process.env.KEYTURN_HOST_MAP),
  copies() {
    copies ??= (async () => {
      const { DatabaseCopies } = await import('../../rotation/promotion/databaseCopies.ts')
      return DatabaseCopies.over({ requestHandler })
    })()
    return copies
  },
})
