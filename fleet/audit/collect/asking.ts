import { type Failure, isDenied, isTemporary } from '../../../rotation/ask.ts'
import type { Fact } from '../facts.ts'
import { type ServiceKey, said } from '../limits.ts'
import { isThrottle } from '../pace.ts'

/** A call that is throttled is made so many times; the SDK tries each of them three times. */
const TRIES = 4
/** After so many calls of one kind in a row without an answer, the others of that kind are not made. */
const PATIENCE = 5

/** Errors by which no further call can go well: the same audit goes on once there are other credentials. */
const ended =
  /^Expired|^RequestExpired|^UnrecognizedClient|^InvalidClientTokenId|^InvalidToken|^CredentialsProviderError|^TokenProviderError|^TokenRefreshRequired/

/** By these a Region answers too that is not enabled for the account: its own credentials are none to that Region. */
const unknown = /^UnrecognizedClient|^InvalidClientTokenId|^AuthFailure/

/** Which call is made: by the name that signatures have for the service. */
export type Kind = { service: ServiceKey; operation: string; region: string }

/** What could not be read, and why, in one line. */
export class Unread extends Error {
  override readonly name = 'Unread'
  /** Whether what was asked for does not exist. */
  readonly absent: boolean
  constructor(message: string, absent: boolean, cause?: unknown) {
    super(message, { cause })
    this.absent = absent
  }
}

/** Asks AWS for one fact after another. An error leaves one fact unread, and never stops the others. */
export class Asking {
  readonly #silent = new Map<string, { calls: number; why: Unread }>()
  readonly #home: string
  #ended: unknown

  /** @param home the Region of the stack: what it answers, it answers of the credentials */
  constructor(home: string) {
    this.#home = home
  }

  /** @throws Unread; what ends the audit, as credentials that have expired, as it is, and then for every further call */
  async ask<T>(kind: Kind, call: () => Promise<T>): Promise<T> {
    if (this.#ended) throw this.#ended
    const key = `${kind.region} ${kind.service} ${kind.operation}`
    const silent = this.#silent.get(key)
    if (silent && silent.calls >= PATIENCE) throw silent.why
    try {
      const answer = await patiently(call)
      this.#silent.delete(key)
      return answer
    } catch (error) {
      if (!(error instanceof Error)) throw error
      if (ended.test(error.name) && !(kind.region !== this.#home && unknown.test(error.name))) {
        this.#ended = error
        throw error
      }
      const why = unread(kind, error)
      if (isThrottle(error) || isTemporary(error))
        this.#silent.set(key, { calls: (this.#silent.get(key)?.calls ?? 0) + 1, why })
      throw why
    }
  }

  /** The same as a fact. */
  async fact<T>(kind: Kind, call: () => Promise<T>): Promise<Fact<T>> {
    return factOf(this.ask(kind, call))
  }
}

/** A fact, whether it could be read or not. @throws what is no Unread */
export async function factOf<T>(asked: Promise<T>): Promise<Fact<T>> {
  try {
    return { is: await asked }
  } catch (error) {
    if (error instanceof Unread) return { unread: error.message }
    throw error
  }
}

async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1)
    try {
      return await call()
    } catch (error) {
      if (!isThrottle(error) || tries === TRIES) throw error
    }
}

const unread = ({ service, operation }: Kind, error: Error) =>
  new Unread(`${said[service]} ${operation}: ${reasonOf(error)}`, /NotFound|NoSuch/.test(error.name), error)

/** What the SDK calls an error that the answer does not name, such as one of a proxy or of an emulator without that service. */
const unnamed = /^Unknown(Error)?$/

/** By one name for what services name differently; an error's text is not kept. */
function reasonOf(error: Failure & { $metadata?: { httpStatusCode?: number } }): string {
  if (isThrottle(error)) return 'Throttled'
  if (isDenied(error) || ['AuthorizationError', 'NotPermitted'].includes(error.name)) return 'AccessDenied'
  // rotation/ask.ts keeps the service's own name in its message.
  const [, name] = (error.name === 'StoreFailed' && /: (\w+), request/.exec(error.message)) || []
  if (unnamed.test(error.name))
    return `HTTP ${error.$metadata?.httpStatusCode ?? 'without a status'}, and no error is named`
  return name ?? error.code ?? error.name
}
