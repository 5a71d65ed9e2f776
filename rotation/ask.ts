import { NotPermitted, RdsBusy, RotationError, StoreFailed, Throttled, Unreachable } from './errors.ts'

/** An error as the SDK throws it. `$fault` is its mark of one that the service answered. */
export type Failure = Error & {
  code?: string
  $fault?: string
  $metadata?: { requestId?: string; httpStatusCode?: number }
}

/** AWS did not answer at all. That is retried as Throttled is, and has its name; a rehearsal tells it apart. */
export class Unanswered extends Throttled {}

/**
 * AWS refused a call for a reason that is not known here, and a rollback depends on the answer. That is retried as Throttled is,
 * and has its name; a rehearsal tells it apart.
 */
export class Refused extends Throttled {}

/** What the errors of one service are called. */
type Names = {
  /** Those that mean something to us, by the name that the service has for them. */
  own?: Record<string, (error: Failure) => RotationError>
  /** There was no answer. */
  unanswered: new (
    message: string,
  ) => RotationError
  /** Any other error. */
  unknown(error: Failure, service: string): unknown
  /** What to do where no policy of ours allows a call: there is nothing of this name, or it has not the tag. */
  enrol?: string
}

const refusal = ({ name, $metadata }: Failure, service: string) =>
  `${service}: ${name}, request ${$metadata?.requestId}`
const refused = (error: Failure, service: string) => new StoreFailed(refusal(error, service))

/** Whether the service says that it failed itself, or that it is asked too often. The SDK calls what it has no name for a client's fault. */
const isOfServer = ({ $metadata: { httpStatusCode = 400 } = {} }: Failure) =>
  httpStatusCode >= 500 || httpStatusCode === 429

const usual: Names = {
  unanswered: Unanswered,
  // What the service did not answer is no error of it, and thrown on as it is.
  unknown: (error, service) => ('$fault' in error ? refused(error, service) : error),
}

const noSuchMachine = (error: Failure) => refused(error, 'Step Functions')
const atWork = () => new RdsBusy('RDS is at work on the database')

const services = {
  'Secrets Manager': {
    ...usual,
    enrol: "check the name, and tag the secret keyturn:managed=true (an admin's keyturn:admin=true)",
  },
  'Parameter Store': { ...usual, enrol: 'check the name, and tag the parameter keyturn:managed=true' },
  'Resource Groups Tagging API': usual,
  DynamoDB: {
    ...usual,
    own: {
      ProvisionedThroughputExceededException: () => new Throttled('DynamoDB: too many requests'),
    },
  },
  'Step Functions': {
    ...usual,
    own: {
      InvalidArn: noSuchMachine,
      StateMachineDoesNotExist: noSuchMachine,
      ValidationException: noSuchMachine,
    },
    // A rollback depends on its answers: whatever it is, it is asked again.
    unknown(error) {
      if (!('$fault' in error)) return new Unanswered(`Step Functions: ${error.name}`)
      return isOfServer(error)
        ? new Throttled(`Step Functions: ${error.name}`)
        : new Refused(refusal(error, 'Step Functions'))
    },
  },
  RDS: {
    ...usual,
    own: { InvalidDBInstanceStateFault: atWork, InvalidDBClusterStateFault: atWork },
    // From a VPC there may be no way to it.
    unanswered: Unreachable,
    enrol: 'tag the instance or cluster keyturn:managed=true',
  },
} satisfies Record<string, Names>

/** A service of AWS, by the name that our errors begin with. */
export type ServiceName = keyof typeof services

/** Whether a message tells of an error of such a service, as all do that `ask` makes, and not of a database server. */
export const isOfService = (message: string): boolean =>
  Object.keys(services).some(service => message.includes(`: ${service}: `))

/** What errors mean at one call, by their names: an answer, or an error of ours that is thrown. */
export type Meanings<T> = Record<string, (error: Error) => T | Promise<T>>

/** Whether an error, by its name or its code, may pass by itself: there was no answer, or one that says "not now". */
export const isTemporary = ({ name, code = '' }: Failure) => temporary.test(name) || temporary.test(code)

/** Whether a service refused a call for want of a permission. */
export const isDenied = ({ name }: Failure) => ['AccessDeniedException', 'AccessDenied'].includes(name)

const temporary =
  /Throttl|TooManyRequests|TooManyUpdates|Internal(Service|Server|Failure|Error)|ServiceUnavailable|RequestTimeout|Timeout|ECONN|EHOSTUNREACH|ENETUNREACH|EPIPE|ENOTFOUND|EAI_AGAIN/

/**
 * Asks a service of AWS. This is the one way to do so for whatever is told in our terms.
 * @throws Throttled, NotPermitted, StoreFailed, or what `services` has for this one; what is no error of a call, unchanged
 */
export async function ask<T, Else = never>(
  service: ServiceName,
  call: () => Promise<T>,
  meanings: Meanings<Else> = {},
): Promise<T | Else> {
  try {
    return await call()
  } catch (error) {
    if (!(error instanceof Error) || error instanceof RotationError) throw error
    const meaning = meanings[error.name]
    if (meaning) return meaning(error)
    throw translate(service, error)
  }
}

/** A service's text is kept only where it cannot quote a value: a refusal names the caller, the action, the resource. */
function translate(service: ServiceName, error: Failure): unknown {
  const { own = {}, unanswered, unknown, enrol }: Names = services[service]
  const { name, code, message } = error
  if (own[name]) return own[name](error)
  if (isTemporary(error))
    return new ('$fault' in error ? Throttled : unanswered)(`${service}: ${code ?? name}`)
  if ('$fault' in error && isDenied(error))
    return new NotPermitted(`${service}: ${(enrol && unallowed(message, enrol)) ?? message}`)
  return unknown(error, service)
}

/** IAM's sentence about a call that no policy of the role allows, in short, and with what to do. No other text. */
function unallowed(message: string, enrol: string): string | undefined {
  const [, caller, action, resource] =
    /^User: \S*?([^\s/]+) is not authorized to perform: (\S+)(?: on resource: (\S+))? because no identity-based policy allows the \S+ action$/.exec(
      message,
    ) ?? []
  if (!action) return undefined
  return `${caller} may not call ${action}${resource ? ` on ${resource}` : ''}: ${enrol}`
}
