import { readFileSync } from 'node:fs'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { PromotionTable } from '../../fleet/promotion/promotionTable.ts'
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
      const [{ RDSClient }, { DatabaseCopies }] = await Promise.all([
        import('@aws-sdk/client-rds'),
        import('../../rotation/promotion/databaseCopies.ts'),
      ])
      return new DatabaseCopies(new RDSClient({ requestHandler }))
    })()
    return copies
  },
})

/** This stack's table of promotions. */
export const ownTable = () =>
  new PromotionTable(new DynamoDBClient({ requestHandler }), process.env.KEYTURN_PROMOTION_TABLE ?? '')

const clients = new Map<string, SecretsManagerClient>()

/** Secrets Manager in another Region, which may be lost: it is not waited for long. */
export function secretsIn(region: string): SecretsManagerClient {
  const found = clients.get(region) ?? new SecretsManagerClient({ region, requestHandler, maxAttempts: 2 })
  clients.set(region, found)
  return found
}
