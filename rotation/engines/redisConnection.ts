import type { SecureContext } from 'node:tls'
import { RedisClient } from '@redis/client'

type RedisTarget = {
  host: string
  port: number
  username: string
  password: string
  database: number
  /** What to verify the server by; without it nothing is encrypted. */
  secureContext?: SecureContext
  /** Milliseconds until a connection or a command counts as unanswered. */
  connectTimeout: number
  commandTimeout: number
}

export type RedisConnection = Awaited<ReturnType<typeof connect>>

/** 3 begins with HELLO. */
const protocol = { RESP: 2 } as const

/** With all commands. The library's createClient makes it anew for every password, in 50 ms, and keeps the last one. */
const construct = RedisClient.factory(protocol)

/** A client that is not connected yet, as the library's createClient makes it, for RESP 2. */
export function createClient(options: Parameters<typeof construct<Record<never, never>>>[0]) {
  return construct({ ...options, ...protocol })
}

/**
 * One connection, for as long as it lasts, that is logged in by AUTH and sends nothing of its own accord: not every user
 * may run what the client would else ask. It is closed too when it was idle for `commandTimeout`.
 * @throws Error as Node's or the client's own
 */
export async function connect({ secureContext, commandTimeout, ...target }: RedisTarget) {
  const { host, port, connectTimeout, username, password, database } = target
  const client = createClient({
    username,
    password,
    database,
    disableClientInfo: true,
    socket: {
      host,
      port,
      connectTimeout,
      socketTimeout: commandTimeout,
      reconnectStrategy: false,
      ...(secureContext ? { tls: true, secureContext } : { tls: false }),
    },
    // Else a command that could not be written in time is left out, and the rest of a transaction sent.
    commandOptions: { timeout: 0 },
  })
  let unreadable: Error | undefined
  client.on('error', error => {
    // What broke the connection has closed the client; after what it cannot read it would wait on.
    if (!client.isOpen) return
    unreadable = error
    client.destroy()
  })
  try {
    return await client.connect()
  } catch (error) {
    // The library keeps a list of its clients.
    client.destroy()
    throw unreadable ?? error
  }
}
