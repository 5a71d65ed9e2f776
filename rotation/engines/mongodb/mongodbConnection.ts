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
  /** The database that holds the user. */
  source: string
  credential: Credential
  /** If undefined, the driver selects one that the server names for the user. */
  authMechanism?: 'SCRAM-SHA-1'
}

type ConnectOptions = {
  Client: typeof MongoClient
  /** Milliseconds that connecting may take. */
  connectTimeout: number
  /** Milliseconds that a command may take. */
  statementTimeout: number
  /** Returns how to verify the server's certificate. It is called only if the credential requires TLS. */
  secureContext: () => SecureContext
  onCertificate: (certificate: PeerCertificate) => void
}

/**
 * Connects to one server and logs in.
 * @throws NotPrimary before the password is tried, because a replica may not know a new password yet; else what translateLogin
 *   returns
 */
export async function connect(target: Target, options: ConnectOptions): Promise<MongoClient> {
  const { credential } = target
  const { connectTimeout, statementTimeout } = options
  const where = `login as ${credential}`
  const client = createClient(target, options)
  // The driver would try again until its timeout, and then not report the reason. So the first failure ends the attempt.
  const failed = Promise.withResolvers<never>()
  client.once('serverHeartbeatFailed', ({ failure }) => failed.reject(failure))
  client.on('serverHeartbeatSucceeded', ({ reply }) => {
    if (!reply.isWritablePrimary) failed.reject(new NotPrimary(where, reply.primary))
    // The driver reads these fields next, outside any promise, where a field of a wrong type would end the process.
    for (const field of REPLICA_SET_FIELDS) delete reply[field]
  })
  const timer = setTimeout(
    () => failed.reject(new Unreachable(`${where}: no whole answer in time`)),
    connectTimeout + statementTimeout,
  )
  try {
    return await Promise.race([client.connect(), failed.promise])
  } catch (error) {
    await close(client)
    throw translateLogin(error, where, credential.ssl)
  } finally {
    clearTimeout(timer)
  }
}

/** @throws InvalidCredential if the server's name cannot stand in a URL */
function createClient(
  { server, source, credential, authMechanism }: Target,
  { Client, connectTimeout, statementTimeout, onCertificate, ...options }: ConnectOptions,
): MongoClient {
  const secureContext = credential.ssl ? options.secureContext() : undefined
  try {
    return new Client(`mongodb://${server}/`, {
      auth: { username: credential.username, password: credential.password },
      authSource: source,
      ...(authMechanism && { authMechanism }),
      // The client connects to this server alone, and not to the other members that it names.
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
      // A second longer than the time that the server gets where it is told one: maxTimeMS, wtimeout.
      socketTimeoutMS: statementTimeout + 1_000,
    })
  } catch {
    throw invalidHostError(`login as ${credential}`)
  }
}

/** Closes a client, within a second. The driver ends its sessions on the server first, and would wait for a lost answer. */
export async function close(client: MongoClient): Promise<void> {
  await Promise.race([client.close().catch(() => {}), sleep(1_000, undefined, { ref: false })])
}

/**
 * The fields of an answer to `hello` about the replica set and its clock, which a connection to one server does not need
 * (https://www.mongodb.com/docs/manual/reference/command/hello/).
 */
const REPLICA_SET_FIELDS = [
  'hosts',
  'passives',
  'arbiters',
  'me',
  'electionId',
  'topologyVersion',
  '$clusterTime',
]

/** The server accepts no writes: it is a replica, or has no primary at the moment. */
export class NotPrimary extends Standby {
  /** The `host:port` of the primary as the server names it, which may be anything if another service answered. */
  readonly primary: unknown
  /** @param failure Why the primary could not be reached, if that was tried. */
  constructor(where: string, primary: unknown, failure?: string) {
    const ofPrimary = failure === undefined ? '' : `; its primary, ${primary}: ${failure}`
    super(`${where}: the server is a replica, or a failover is under way${ofPrimary}`)
    this.primary = primary
  }
}
