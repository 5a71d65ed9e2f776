import { isAccessDenied, isTemporary, type SdkError } from '../../../rotation/callAws.ts'
import type { Fact } from '../facts.ts'
import { isThrottlingError } from '../rateLimiter.ts'
import { SERVICE_NAMES, type ServiceKey } from '../rateLimits.ts'

/** How many times a throttled call is made at most. The SDK makes three tries each time. */
const MAX_TRY_COUNT = 4
/** After so many calls of one kind in a row without an answer, no further call of that kind is made. */
const MAX_SILENT_CALL_COUNT = 5

/** Errors after which every further call fails too, as the caller's credentials are not valid any more. */
const EXPIRED_CREDENTIALS_ERROR =
  /^Expired|^RequestExpired|^UnrecognizedClient|^InvalidClientTokenId|^InvalidToken|^CredentialsProviderError|^TokenProviderError|^TokenRefreshRequired/

/** Those of these errors that a Region also gives if it is not enabled for the account. */
const UNKNOWN_CREDENTIALS_ERROR = /^UnrecognizedClient|^InvalidClientTokenId/

/** The kind of a call: its service, operation (such as `ListSecrets`) and Region. */
export type AwsCall = { service: ServiceKey; operation: string; region: string }

/** A call got no answer, or a refusal. The message is one line, and has the operation and the error's name but no text of AWS. */
export class ReadFailed extends Error {
  override readonly name = 'Unread'
  /** Whether what was asked for does not exist. */
  readonly isAbsent: boolean
  constructor(message: string, isAbsent: boolean, cause?: unknown) {
    super(message, { cause })
    this.isAbsent = isAbsent
  }
}

/** Makes an audit's calls to AWS. An error leaves one fact unread; only an error about the caller's credentials ends the audit. */
export class AwsReader {
  /** For each kind of call, how many calls in a row got no answer, and the error of the last one. */
  readonly #unanswered = new Map<string, { count: number; last: ReadFailed }>()
  readonly #stackRegion: string
  /** The error that ended the audit. */
  #ended: unknown

  /**
   * @param stackRegion the Region of the stack. An error that AWS does not know the caller's credentials ends the audit only if it
   *   comes from this Region: any other Region may just not be enabled for the account
   */
  constructor(stackRegion: string) {
    this.#stackRegion = stackRegion
  }

  /**
   * Makes a call, and makes it again if it is throttled.
   * @throws ReadFailed if the call fails; an error that ends the audit, such as expired credentials, as it is, and again for
   * every further call
   */
  async read<T>(kind: AwsCall, call: () => Promise<T>): Promise<T> {
    if (this.#ended) throw this.#ended
    const key = `${kind.region} ${kind.service} ${kind.operation}`
    const unanswered = this.#unanswered.get(key)
    if (unanswered && unanswered.count >= MAX_SILENT_CALL_COUNT) throw unanswered.last
    try {
      const answer = await retryThrottled(call)
      this.#unanswered.delete(key)
      return answer
    } catch (error) {
      if (!(error instanceof Error)) throw error
      if (
        EXPIRED_CREDENTIALS_ERROR.test(error.name) &&
        !(kind.region !== this.#stackRegion && UNKNOWN_CREDENTIALS_ERROR.test(error.name))
      ) {
        this.#ended = error
        throw error
      }
      const failure = readFailedOf(kind, error)
      if (isThrottlingError(error) || isTemporary(error))
        this.#unanswered.set(key, { count: (this.#unanswered.get(key)?.count ?? 0) + 1, last: failure })
      throw failure
    }
  }

  /** Makes a call as `read` does, for a fact, which is unread if the call fails. @throws an error that ends the audit */
  async readFact<T>(kind: AwsCall, call: () => Promise<T>): Promise<Fact<T>> {
    return factOf(this.read(kind, call))
  }
}

/** The fact of an answer: what it is, or the message of a ReadFailed. @throws any other error */
export async function factOf<T>(answer: Promise<T>): Promise<Fact<T>> {
  try {
    return { is: await answer }
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

/** The SDK's name of an error that an answer does not name, such as one of a proxy, or of an emulator without that service. */
const UNNAMED_ERROR = /^Unknown(Error)?$/

/** The name of an error. Errors that services name differently get one name. The error's message is not kept. */
function reasonOf(error: SdkError & { $metadata?: { httpStatusCode?: number } }): string {
  if (isThrottlingError(error)) return 'Throttled'
  if (isAccessDenied(error) || ['AuthorizationError', 'NotPermitted'].includes(error.name))
    return 'AccessDenied'
  // The message of a StoreFailed has the service's own name of the error: rotation/callAws.ts makes it.
  const [, name] = (error.name === 'StoreFailed' && /: (\w+), request/.exec(error.message)) || []
  if (UNNAMED_ERROR.test(error.name))
    return `HTTP ${error.$metadata?.httpStatusCode ?? 'without a status'}, and no error is named`
  return name ?? error.code ?? error.name
}
