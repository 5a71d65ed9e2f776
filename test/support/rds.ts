import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { RDSClient } from '@aws-sdk/client-rds'
import { startMoto } from './moto.ts'

/** A running emulator of RDS, whose answers a test may change. */
export type RdsServer = {
  url: string
  client: RDSClient
  /** The actions that were called, in order. */
  calls: string[]
  /** Changes the XML of an answer. */
  edit: (answer: string) => string
  /** @returns the error code with which a call is refused, or undefined to let it through */
  refuse: (call: URLSearchParams) => string | undefined
  stop(): Promise<void>
}

/**
 * Starts moto's RDS behind a server that passes calls to it, notes them, and may change the answers: moto has no custom
 * endpoints, for example, and its host names lead nowhere.
 */
export async function startRds(bin: string): Promise<RdsServer> {
  const moto = await startMoto(bin)
  const server = createServer(async (incoming, outgoing) => {
    const body = Buffer.concat(await incoming.toArray()).toString()
    const call = new URLSearchParams(body)
    rds.calls.push(`${call.get('Action')}`)
    const code = rds.refuse(call)
    const headers = incoming.headers as Record<string, string>
    const answer = code ? undefined : await fetch(moto.url, { method: 'POST', headers, body })
    outgoing.writeHead(answer?.status ?? 403, { 'content-type': 'text/xml' })
    outgoing.end(
      answer
        ? rds.edit(await answer.text())
        : `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>no</Message></Error></ErrorResponse>`,
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const rds: RdsServer = {
    url,
    client: rdsClient(url),
    calls: [],
    edit: answer => answer,
    refuse: () => undefined,
    async stop() {
      server.close()
      server.closeAllConnections()
      await moto.stop()
    },
  }
  return rds
}

/** @returns a client without retries */
export function rdsClient(endpoint: string, region = 'eu-west-1'): RDSClient {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  return new RDSClient({ endpoint, region, credentials, maxAttempts: 1 })
}

const database = { MasterUsername: 'master', MasterUserPassword: 'a-password' }
/** The input of CreateDBInstance that all instances of the tests share. */
export const instance = {
  ...database,
  DBInstanceClass: 'db.t4g.micro',
  Engine: 'postgres',
  AllocatedStorage: 20,
}
/** The input of CreateDBCluster that all clusters of the tests share. */
export const cluster = { ...database, Engine: 'aurora-postgresql' }
