import { isAccessDenied, isTemporary, type SdkError } from '../../../rotation/callAws.ts'
import type { Fact } from '../facts.ts'
import { isThrottlingError } from '../rateLimiter.ts'
import { SERVICE_NAMES, type ServiceKey } from '../rateLimits.ts'

/** A call that is throttled is made so many times; the SDK tries each of them three times. */
const MAX_TRY_COUNT = 4
/** After so many calls of one kind in a row without an answer, the others of that kind are not made. */
const MAX_SILENT_CALL_COUNT = 5

/** Errors by which no further call can go well: the same audit goes on once there are other credentials. */
const EXPIRED_CREDENTIALS_ERROR =
  /^Expired|^RequestExpired|^UnrecognizedClient|^InvalidClientTokenId|^InvalidToken|^CredentialsProviderError|^TokenProviderError|^TokenRefreshRequired/

/** By these a Region answers too that is not enabled for the account: its own credentials are none to that Region. */
const UNKNOWN_CREDENTIALS_ERROR = /^UnrecognizedClient|^InvalidClientTokenId|^AuthFailure/

/** Which call is made: by the name that signatures have for the service. */
export type AwsCall = { service: ServiceKey; operation: string; region: string }

/** What could not be read, and why, in one line. */
export class ReadFailed extends Error {
  override readonly name = 'Unread'
  /** Whether what was asked for does not exist. */
  readonly absent: boolean
  constructor(message: string, absent: boolean, cause?: unknown) {
    super(message, { cause })
    this.absent = absent
  }
}

/** Asks AWS for one fact after another. An error leaves one fact unread, and never stops the others. */
export class AwsReader {
  readonly #silent = new Map<string, { calls: number; why: ReadFailed }>()
  readonly #home: string
  #ended: unknown

  /** @param home the Region of the stack: what it answers, it answers of the credentials */
  constructor(home: string) {
    this.#home = home
  }

  /** @throws Unread; what ends the audit, as credentials that have expired, as it is, and then for every further call */
  async read<T>(kind: AwsCall, call: () => Promise<T>): Promise<T> {
    if (this.#ended) throw this.#ended
    const key = `${kind.region} ${kind.service} ${kind.operation}`
    const silent = this.#silent.get(key)
    if (silent && silent.calls >= MAX_SILENT_CALL_COUNT) throw silent.why
    try {
      const answer = await retryThrottled(call)
      this.#silent.delete(key)
      return answer
    } catch (error) {
      if (!(error instanceof Error)) throw error
      if (
        EXPIRED_CREDENTIALS_ERROR.test(error.name) &&
        !(kind.region !== this.#home && UNKNOWN_CREDENTIALS_ERROR.test(error.name))
      ) {
        this.#ended = error
        throw error
      }
      const why = readFailedOf(kind, error)
      if (isThrottlingError(error) || isTemporary(error))
        this.#silent.set(key, { calls: (this.#silent.get(key)?.calls ?? 0) + 1, why })
      throw why
    }
  }

  /** The same as a fact. */
  async readFact<T>(kind: AwsCall, call: () => Promise<T>): Promise<Fact<T>> {
    return factOf(this.read(kind, call))
  }
}

/** A fact, whether it could be read or not. @throws what is no Unread */
export async function factOf<T>(asked: Promise<T>): Promise<Fact<T>> {
  try {
    return { is: await asked }
  } catch (error) {
    if (error instanceof ReadFailed) return { unread: error.message }
    throw error
  }
}

async function retryThrottled<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1)
    try {
      return await call()
    } catch (error) {
      if (!isThrottlingError(error) || tries === MAX_TRY_COUNT) throw error
    }
}

const readFailedOf = ({ service, operation }: AwsCall, error: Error) =>
  new ReadFailed(
    `${SERVICE_NAMES[service]} ${operation}: ${reasonOf(error)}`,
    /NotFound|NoSuch/.test(error.name),
    error,
  )

/** What the SDK calls an error that the answer does not name, such as one of a proxy or of an emulator without that service. */
const UNNAMED_ERROR = /^Unknown(Error)?$/

/** By one name for what services name differently; an error's text is not kept. */
function reasonOf(error: SdkError & { $metadata?: { httpStatusCode?: number } }): string {
  if (isThrottlingError(error)) return 'Throttled'
  if (isAccessDenied(error) || ['AuthorizationError', 'NotPermitted'].includes(error.name))
    return 'AccessDenied'
  // rotation/callAws.ts keeps the service's own name in its message.
  const [, name] = (error.name === 'StoreFailed' && /: (\w+), request/.exec(error.message)) || []
  if (UNNAMED_ERROR.test(error.name))
    return `HTTP ${error.$metadata?.httpStatusCode ?? 'without a status'}, and no error is named`
  return name ?? error.code ?? error.name
}
