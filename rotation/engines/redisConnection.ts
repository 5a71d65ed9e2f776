import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type SecureContext, connect as secureConnect } from 'node:tls'

/** The server's answer `-CODE text`. */
export class RedisError extends Error {}

export type Reply = string | number | null | RedisError | Reply[]

export type RedisTarget = {
  host: string
  port: number
  /** What to verify the server by; without it nothing is encrypted. */
  secureContext?: SecureContext
  /** Milliseconds until a connection or a command counts as unanswered. */
  connectTimeout: number
  commandTimeout: number
}

/**
 * One connection that speaks Redis' protocol (RESP 2) and sends nothing of its own accord: the usual drivers ask the
 * server for more than every user may, and reconnect.
 */
export class RedisConnection {
  readonly #socket: Socket
  readonly #timeout: number
  /** Commands that are not answered yet; the server answers in their order. */
  readonly #waiting: PromiseWithResolvers<Reply>[] = []
  #received: Buffer = Buffer.alloc(0)
  #ended: Error | undefined

  /** @throws Error as Node's own, by its `code`; TLS_UNANSWERED where there is a server that does not speak it */
  static async open({ secureContext, connectTimeout, commandTimeout, ...address }: RedisTarget) {
    const socket = secureContext ? secureConnect({ ...address, secureContext }) : connect(address)
    const connection = new RedisConnection(socket, commandTimeout)
    const giveUp = () => socket.destroy(withCode(socket.connecting ? 'ETIMEDOUT' : 'TLS_UNANSWERED'))
    const timer = setTimeout(giveUp, connectTimeout)
    try {
      await once(socket, secureContext ? 'secureConnect' : 'connect')
      return connection
    } finally {
      clearTimeout(timer)
    }
  }

  private constructor(socket: Socket, timeout: number) {
    this.#socket = socket
    this.#timeout = timeout
    socket.setNoDelay(true)
    socket.on('data', bytes => this.#receive(bytes))
    socket.on('error', error => this.#end(error))
    socket.on('close', () => this.#end(withCode('ECONNRESET')))
  }

  /** @throws RedisError if that is the answer; Error as Node's own, and the connection is of no more use */
  async send(command: string[]): Promise<Reply> {
    if (this.#ended) throw this.#ended
    const answer = Promise.withResolvers<Reply>()
    this.#waiting.push(answer)
    this.#socket.write(encode(command))
    // What comes late must not be taken for the answer to the next command.
    const timer = setTimeout(() => this.#socket.destroy(withCode('ETIMEDOUT')), this.#timeout)
    return answer.promise.finally(() => clearTimeout(timer))
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes])
    try {
      for (let next = readReply(this.#received); next; next = readReply(this.#received)) {
        this.#received = this.#received.subarray(next.end)
        this.#answer(next.reply)
      }
    } catch (error) {
      this.#socket.destroy(error as Error)
    }
  }

  /** A server that has no room says so before it is asked anything. */
  #answer(reply: Reply): void {
    const waiting = this.#waiting.shift()
    if (!(reply instanceof RedisError)) waiting?.resolve(reply)
    else if (waiting) waiting.reject(reply)
    else this.#end(reply)
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended)
  }
}

const withCode = (code: string) => Object.assign(new Error(code), { code })

function encode(command: string[]): string {
  const words = command.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
  return `*${words.length}\r\n${words.join('')}`
}

/**
 * The reply that `bytes` begin with from `start` on, and where it ends; undefined if not all of it is there.
 * @throws RedisError if it is none
 */
export function readReply(bytes: Buffer, start = 0): { reply: Reply; end: number } | undefined {
  const lineEnd = bytes.indexOf('\r\n', start)
  if (lineEnd < 0) return undefined
  const line = bytes.toString('utf8', start + 1, lineEnd)
  const rest = lineEnd + 2
  switch (bytes.toString('latin1', start, start + 1)) {
    case '+':
      return { reply: line, end: rest }
    case '-':
      return { reply: new RedisError(line), end: rest }
    case ':':
      return { reply: Number(line), end: rest }
    case '$': {
      const end = rest + Number(line)
      if (end < rest) return { reply: null, end: rest }
      return end + 2 > bytes.length ? undefined : { reply: bytes.toString('utf8', rest, end), end: end + 2 }
    }
    case '*': {
      const replies: Reply[] = []
      let end = rest
      while (replies.length < Number(line)) {
        const next = readReply(bytes, end)
        if (!next) return undefined
        replies.push(next.reply)
        end = next.end
      }
      return { reply: Number(line) < 0 ? null : replies, end }
    }
    default:
      throw new RedisError('PROTOCOL')
  }
}
