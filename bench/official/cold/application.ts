import { parentPort, workerData } from 'node:worker_threads'
import type { Value } from '../../../local/client/application.ts'
import { SecretsShelf } from '../../../local/client/shelves.ts'
import { queryMysql, queryPostgres } from '../../availability/queries.ts'
import { steadily } from '../../availability/steadily.ts'
import { clientAt } from '../clientAt.ts'
import type { Asked, Told } from './failures.ts'

// Runs in a thread of its own, so that it waits for nobody and nobody for it: an application that keeps the value of its
// secret. When a login is refused it reads the value again and tries once more; only if that is refused, the query failed.
const { engine, caFile, endpoint, issuer, secret, rate }: Asked = workerData
const shelf = new SecretsShelf(clientAt(endpoint, issuer))
const query = engine === 'postgres' ? queryPostgres(caFile) : queryMysql(caFile)
const read = async (): Promise<Value> => JSON.parse((await shelf.read(secret, 'current')) ?? '')
const told: Told = { queries: 0, failed: 0 }

let value = await read()
const stop = steadily(rate, async () => {
  told.queries++
  if (await query(value)) return
  const fresh = await read()
  if (await query(fresh)) value = fresh
  else told.failed++
})
parentPort?.on('message', async word => {
  if (word === 'stop') await stop()
  parentPort?.postMessage(told)
})
parentPort?.postMessage('ready')
