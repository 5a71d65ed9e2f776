import { lookup } from 'node:dns/promises'
import { connect as connectTo, isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Unreachable } from '../errors.ts'

/** Milliseconds for a name, and for a port. */
const NETWORK_TIMEOUT_MS = 3000

/** A firewall answers nothing at all. */
const NOBODY_LISTENS =
  'Correct the port in the value, or start the server: the host answers, and nothing listens at that port.'

/** How many addresses a name has, 0 for what is an address itself. @throws Unreachable */
export async function countAddresses(host: string): Promise<number> {
  if (isIP(host)) return 0
  const late = new AbortController()
  const asked = lookup(host, { all: true }).catch((error: { code?: string }) => {
    throw new Unreachable(`${host}: the name is not resolved (${codeOf(error)})`)
  })
  try {
    const found = await Promise.race([asked, sleep(NETWORK_TIMEOUT_MS, undefined, { signal: late.signal })])
    if (!found)
      throw new Unreachable(`${host}: the name is not resolved within ${NETWORK_TIMEOUT_MS / 1000} seconds`)
    return found.length
  } finally {
    late.abort()
  }
}

/** Opens a connection and closes it. @throws Unreachable */
export function tryConnect(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTo({ host, port, timeout: NETWORK_TIMEOUT_MS })
    const fail = (why: string, more?: { remedy: string }) => {
      socket.destroy()
      reject(new Unreachable(`${host}:${port}: ${why}`, more))
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

/** Of an error of Node's; nothing else of it is told. */
const codeOf = ({ code }: { code?: string }) => (/^[A-Z][A-Z0-9_]*$/.test(code ?? '') ? code : 'no code')
