import { parentPort, workerData } from 'node:worker_threads'
import type { StoredValue } from '../../../local/client/application.ts'
import { repeatSteadily } from '../../../local/client/repeatSteadily.ts'
import { SecretValueStore } from '../../../local/client/valueStores.ts'
import { makeMysqlQuery, makePostgresQuery } from '../../availability/queries.ts'
import { clientAt } from '../clientAt.ts'
import type { ApplicationSettings, QueryCounts } from './failures.ts'

// An application that caches the value of its secret. When a login is refused, it reads the secret again and tries once more;
// only if that is refused too, the query has failed. It runs in a thread of its own, so that the rotations do not delay it.
const { engine, caFile, endpoint, issuer, secret, queriesPerSecond }: ApplicationSettings = workerData
const store = new SecretValueStore(clientAt(endpoint, issuer))
const query = engine === 'postgres' ? makePostgresQuery(caFile) : makeMysqlQuery(caFile)
const read = async (): Promise<StoredValue> => JSON.parse((await store.read(secret, 'current')) ?? '')
let queries = 0
let failed = 0

let value = await read()
const stop = repeatSteadily(queriesPerSecond, async () => {
  queries++
  if (await query(value)) return
  const fresh = await read()
  if (await query(fresh)) value = fresh
  else failed++
})
parentPort?.on('message', async word => {
  if (word === 'stop') await stop()
  parentPort?.postMessage({ queries, failed } satisfies QueryCounts)
})
parentPort?.postMessage('ready')
