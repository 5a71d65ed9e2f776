import { lookup } from 'node:dns/promises'
import { connect as connectTo, isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Unreachable } from '../errors.ts'

/** Milliseconds for resolving a name, and for opening a connection. */
const NETWORK_TIMEOUT_MS = 3000

/** The remedy for a refused connection. A firewall would not answer at all, so the host was reached. */
const NOBODY_LISTENS =
  'Correct the port in the value, or start the server: the host answers, and nothing listens at that port.'

/** Resolves a host name. @returns how many addresses it has; 0 if it is an IP address itself @throws Unreachable */
export async function countAddresses(host: string): Promise<number> {
  if (isIP(host)) return 0
  const timer = new AbortController()
  const resolving = lookup(host, { all: true }).catch((error: { code?: string }) => {
    throw new Unreachable(`${host}: the name is not resolved (${codeOf(error)})`)
  })
  const timeIsOver = sleep(NETWORK_TIMEOUT_MS, undefined, { signal: timer.signal })
  try {
    const addresses = await Promise.race([resolving, timeIsOver])
    if (!addresses)
      throw new Unreachable(`${host}: the name is not resolved within ${NETWORK_TIMEOUT_MS / 1000} seconds`)
    return addresses.length
  } finally {
    timer.abort()
  }
}

/** Opens a connection and closes it. @throws Unreachable */
export function tryConnect(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTo({ host, port, timeout: NETWORK_TIMEOUT_MS })
    const fail = (why: string, options?: { remedy: string }) => {
      socket.destroy()
      reject(new Unreachable(`${host}:${port}: ${why}`, options))
    }
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('timeout', () => fail(`no answer within ${NETWORK_TIMEOUT_MS / 1000} seconds`))
    socket.once('error', (error: { code?: string }) =>
      fail(
        `no connection (${codeOf(error)})`,
        error.code === 'ECONNREFUSED' ? { remedy: NOBODY_LISTENS } : undefined,
      ),
    )
  })
}

/** The code of an error of Node's, such as ECONNREFUSED. The rest of the error is not shown. */
const codeOf = ({ code }: { code?: string }) => (/^[A-Z][A-Z0-9_]*$/.test(code ?? '') ? code : 'no code')
