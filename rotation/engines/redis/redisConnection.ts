import type { checkServerIdentity, SecureContext } from 'node:tls'
import { ConnectionTimeoutError, RedisClient } from '@redis/client'

type RedisTarget = {
  host: string
  port: number
  username: string
  password: string
  database: number
  /** What to verify the server by; without it nothing is encrypted. */
  tls?: { secureContext: SecureContext; checkServerIdentity: typeof checkServerIdentity }
  /** Milliseconds until a connection or a command counts as unanswered. */
  connectTimeout: number
  commandTimeout: number
}

export type RedisConnection = Awaited<ReturnType<typeof connect>>

/** 3 begins with HELLO. */
const RESP_2 = { RESP: 2 } as const

/** With all commands. The library's createClient makes it anew for every password, in 50 ms, and keeps the last one. */
const constructClient = RedisClient.factory(RESP_2)

/** A client that is not connected yet, as the library's createClient makes it, for RESP 2. */
export function createClient(options: Parameters<typeof constructClient<Record<never, never>>>[0]) {
  return constructClient({ ...options, ...RESP_2 })
}

/** What came is no answer to what was asked: no Redis, or nothing of its protocol. */
export class Unreadable extends Error {}

/** The same in answer to a login in clear text, where no certificate shows that it is the server that was meant. */
export class NotRedis extends Unreadable {}

/** Something came in time, but not the whole answer. */
export class Unfinished extends Error {}

/**
 * One connection, for as long as it lasts, that is logged in by AUTH and sends nothing of its own accord: not every user
 * may run what the client would else ask. It is closed too when it was idle for `commandTimeout`.
 * @throws Error as Node's or the client's own, or one of those above
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
    // Else a command that could not be written in time is left out, and the rest of a transaction sent.
    commandOptions: { timeout: 0 },
  })
  /** Why we closed it, which is the reason then for all that fails. */
  let reason: Error | undefined
  const end = (error: Error) => {
    reason ??= error
    client.destroy()
  }
  client.on('error', () => {
    // What broke the connection has closed the client; after what it cannot read it would wait on.
    if (client.isOpen) end(new Unreadable('what was answered cannot be read'))
  })
  const send = client.sendCommand.bind(client)
  client.sendCommand = async <T>(...command: Parameters<typeof send>): Promise<T> => {
    const late = setTimeout(end, commandTimeout, new Unfinished(`no whole answer in ${commandTimeout}ms`))
    try {
      return await send<T>(...command)
    } catch (error) {
      throw reason ?? error
    } finally {
      clearTimeout(late)
    }
  }
  try {
    await connectInTime(client, connectTimeout)
    // At once: a server that has no room tells so before it is asked.
    const commands = [['AUTH', username, password], ...(database ? [['SELECT', String(database)]] : [])]
    const [welcome] = await Promise.all(commands.map(command => client.sendCommand<unknown>(command)))
    if (welcome !== 'OK') throw new Unreadable('AUTH was answered by something else than OK')
    return client
  } catch (error) {
    // The library keeps a list of its clients.
    client.destroy()
    if (error instanceof Unreadable && !tls) throw new NotRedis(error.message)
    throw error
  }
}

/** The library's own limit begins anew with every byte that comes. */
async function connectInTime(client: ReturnType<typeof createClient>, timeout: number): Promise<void> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new ConnectionTimeoutError()), timeout)
  const connected = client.connect()
  try {
    await Promise.race([connected, late.promise])
  } catch (error) {
    // Until it is connected, the client does not know what to destroy.
    connected.then(
      () => client.destroy(),
      () => {},
    )
    throw error
  } finally {
    clearTimeout(timer)
  }
}
