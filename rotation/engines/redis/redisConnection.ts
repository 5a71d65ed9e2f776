import type { checkServerIdentity, SecureContext } from 'node:tls'
import { ConnectionTimeoutError, RedisClient } from '@redis/client'

type RedisTarget = {
  host: string
  port: number
  username: string
  password: string
  database: number
  /** How to verify the server's certificate. Without it the connection has no TLS. */
  tls?: { secureContext: SecureContext; checkServerIdentity: typeof checkServerIdentity }
  /** Milliseconds after which a connection attempt counts as unanswered. */
  connectTimeout: number
  /** Milliseconds after which a command counts as unanswered. */
  commandTimeout: number
}

/** A client of the driver that is connected and logged in. */
export type RedisConnection = Awaited<ReturnType<typeof connect>>

/** The version of Redis' protocol. With version 3 the driver begins with HELLO, which in Redis 6.0 not every user may run. */
const RESP_2 = { RESP: 2 } as const

/** The driver's client class with all commands. The driver's own createClient builds it anew for every password, in 50 ms. */
const constructClient = RedisClient.factory(RESP_2)

/** Creates a client as the driver's createClient does, for RESP 2. It is not connected yet. */
export function createClient(options: Parameters<typeof constructClient<Record<never, never>>>[0]) {
  return constructClient({ ...options, ...RESP_2 })
}

/** What arrived is no answer to the command: it is not of Redis' protocol, or comes from another service. */
export class Unreadable extends Error {}

/** The answer to a login without TLS is Unreadable. No certificate shows that the intended server has sent it. */
export class NotRedis extends Unreadable {}

/** The answer did not arrive completely in time. */
export class Unfinished extends Error {}

/**
 * Opens a connection and logs in by AUTH. The connection does not reconnect, and sends no command that was not asked for, as
 * not every user may run those that the driver would otherwise send. It is closed when it was idle for `commandTimeout`.
 * @throws Unreadable, NotRedis, Unfinished, or an error of Node or of the driver
 */
export async function connect({ tls, commandTimeout, ...target }: RedisTarget) {
  const { host, port, connectTimeout, username, password, database } = target
  const client = createClient({
    disableClientInfo: true,
    socket: {
      host,
      port,
      connectTimeout,
      socketTimeout: commandTimeout,
      reconnectStrategy: false,
      ...(tls ? { tls: true, ...tls } : { tls: false }),
    },
    // With a timeout, the driver skips a command that it could not write in time and sends the rest of the transaction.
    commandOptions: { timeout: 0 },
  })

  /** Why the connection was closed here. Every command that fails from then on fails for this reason. */
  let reason: Error | undefined
  const close = (error: Error) => {
    reason ??= error
    client.destroy()
  }
  client.on('error', () => {
    // A broken connection has closed the client. After an answer that it cannot read, the client stays open and would wait.
    if (client.isOpen) close(new Unreadable('what was answered cannot be read'))
  })
  const send = client.sendCommand.bind(client)
  client.sendCommand = async <T>(...command: Parameters<typeof send>): Promise<T> => {
    const timer = setTimeout(close, commandTimeout, new Unfinished(`no whole answer in ${commandTimeout}ms`))
    try {
      return await send<T>(...command)
    } catch (error) {
      throw reason ?? error
    } finally {
      clearTimeout(timer)
    }
  }

  try {
    await connectInTime(client, connectTimeout)
    // Both commands are sent without waiting for an answer. A server with too many connections sends an error before it gets a
    // command, and that error is then the answer to AUTH.
    const commands = [['AUTH', username, password], ...(database ? [['SELECT', String(database)]] : [])]
    const [answerToAuth] = await Promise.all(commands.map(command => client.sendCommand<unknown>(command)))
    if (answerToAuth !== 'OK') throw new Unreadable('AUTH was answered by something else than OK')
    return client
  } catch (error) {
    // The driver keeps a list of its clients. A client leaves the list when it is destroyed.
    client.destroy()
    if (error instanceof Unreadable && !tls) throw new NotRedis(error.message)
    throw error
  }
}

/**
 * Connects a client within `timeout` milliseconds. The driver's own timeout starts again with every byte that arrives.
 * @throws ConnectionTimeoutError
 */
async function connectInTime(client: ReturnType<typeof createClient>, timeout: number): Promise<void> {
  const timedOut = Promise.withResolvers<never>()
  const timer = setTimeout(() => timedOut.reject(new ConnectionTimeoutError()), timeout)
  const connected = client.connect()
  try {
    await Promise.race([connected, timedOut.promise])
  } catch (error) {
    // A client that is not connected yet cannot be destroyed, so it is destroyed once it is connected.
    connected.then(
      () => client.destroy(),
      () => {},
    )
    throw error
  } finally {
    clearTimeout(timer)
  }
}
