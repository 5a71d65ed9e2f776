import { setTimeout as sleep } from 'node:timers/promises'
import type { PeerCertificate, SecureContext } from 'node:tls'
import type { MongoClient } from 'mongodb'
import type { Credential } from '../../credential.ts'
import { Unreachable } from '../../errors.ts'
import { Standby } from '../standby.ts'
import { reportCertificateTo } from '../tlsTrust.ts'
import { invalidHostError, translateLogin } from './mongodbErrors.ts'
import './mongodbMessages.ts'

type Target = {
  /** `host:port` */
  server: string
  /** The database that has the user. */
  source: string
  credential: Credential
  /** Unset, the driver takes one that the server names. */
  authMechanism?: 'SCRAM-SHA-1'
}

type ConnectOptions = {
  Client: typeof MongoClient
  connectTimeout: number
  statementTimeout: number
  /** What to verify the server by, where the credential wants TLS, and who is told its certificate. */
  trust: () => SecureContext
  onCertificate: (certificate: PeerCertificate) => void
}

/**
 * Connects to one server, and logs in.
 * @throws Secondary before the password is tried: a replica may not have heard of a new one yet
 */
export async function connect(target: Target, options: ConnectOptions): Promise<MongoClient> {
  const { credential } = target
  const { connectTimeout, statementTimeout } = options
  const where = `login as ${credential}`
  const client = createClient(target, options)
  // By itself the driver would try again until its time is over, and then tell no reason.
  const unfit = Promise.withResolvers<never>()
  client.once('serverHeartbeatFailed', ({ failure }) => unfit.reject(failure))
  client.on('serverHeartbeatSucceeded', ({ reply }) => {
    if (!reply.isWritablePrimary) unfit.reject(new NotPrimary(where, reply.primary))
    // Read next outside any promise, where one that is of another type would end the process.
    for (const field of REPLICA_SET_FIELDS) delete reply[field]
  })
  const late = setTimeout(
    () => unfit.reject(new Unreachable(`${where}: no whole answer in time`)),
    connectTimeout + statementTimeout,
  )
  try {
    return await Promise.race([client.connect(), unfit.promise])
  } catch (error) {
    await close(client)
    throw translateLogin(error, where, credential.ssl)
  } finally {
    clearTimeout(late)
  }
}

/** @throws InvalidCredential if the server's name makes no URL */
function createClient(
  { server, source, credential, authMechanism }: Target,
  { Client, connectTimeout, statementTimeout, trust, onCertificate }: ConnectOptions,
): MongoClient {
  const secureContext = credential.ssl ? trust() : undefined
  try {
    return new Client(`mongodb://${server}/`, {
      auth: { username: credential.username, password: credential.password },
      authSource: source,
      ...(authMechanism && { authMechanism }),
      // This one server, and not whatever others of its set it names.
      directConnection: true,
      tls: credential.ssl,
      ...(secureContext && { secureContext, checkServerIdentity: reportCertificateTo(onCertificate) }),
      appName: 'keyturn',
      maxPoolSize: 1,
      serverMonitoringMode: 'poll',
      retryReads: false,
      retryWrites: false,
      connectTimeoutMS: connectTimeout,
      serverSelectionTimeoutMS: connectTimeout,
      socketTimeoutMS: statementTimeout + 1_000,
    })
  } catch {
    throw invalidHostError(`login as ${credential}`)
  }
}

/** The driver says goodbye to the server, and would wait for an answer that does not come. */
export async function close(client: MongoClient): Promise<void> {
  await Promise.race([client.close().catch(() => {}), sleep(1_000, undefined, { ref: false })])
}

/** What a server tells of the others of its set, and when; it is of no use to who stays with this one. */
const REPLICA_SET_FIELDS = [
  'hosts',
  'passives',
  'arbiters',
  'me',
  'electionId',
  'topologyVersion',
  '$clusterTime',
]

/**
 * What answers takes no writes. `primary` is the host and port that it names as the one that does, and `found` why that
 * one was not reached.
 */
export class NotPrimary extends Standby {
  readonly primary: unknown
  constructor(where: string, primary: unknown, found?: string) {
    const also = found === undefined ? '' : `; its primary, ${primary}: ${found}`
    super(`${where}: the server is a replica, or a failover is under way${also}`)
    this.primary = primary
  }
}
