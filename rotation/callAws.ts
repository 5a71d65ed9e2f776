import { NotPermitted, RdsBusy, RotationError, StoreFailed, Throttled, Unreachable } from './errors.ts'

/** An error as the SDK throws it. `$fault` is its mark of one that the service answered. */
export type SdkError = Error & {
  code?: string
  $fault?: string
  $metadata?: { requestId?: string; httpStatusCode?: number }
}

/** AWS did not answer at all. That is retried as Throttled is, and has its name; a rehearsal tells it apart. */
export class CallUnanswered extends Throttled {}

/**
 * AWS refused a call for a reason that is not known here, and a rollback depends on the answer. That is retried as Throttled is,
 * and has its name; a rehearsal tells it apart.
 */
export class CallRefused extends Throttled {}

/** What the errors of one service are called. */
type ServiceErrors = {
  /** Those that mean something to us, by the name that the service has for them. */
  translations?: Record<string, (error: SdkError) => RotationError>
  /** There was no answer. */
  unanswered: new (
    message: string,
  ) => RotationError
  /** Any other error. */
  translateUnknown(error: SdkError, service: string): unknown
  /** What to do where no policy of ours allows a call: there is nothing of this name, or it has not the tag. */
  enrolHint?: string
}

const refusalMessage = ({ name, $metadata }: SdkError, service: string) =>
  `${service}: ${name}, request ${$metadata?.requestId}`
const refusedError = (error: SdkError, service: string) => new StoreFailed(refusalMessage(error, service))

/** Whether the service says that it failed itself, or that it is asked too often. The SDK calls what it has no name for a client's fault. */
const isOfServer = ({ $metadata: { httpStatusCode = 400 } = {} }: SdkError) =>
  httpStatusCode >= 500 || httpStatusCode === 429

const commonErrors: ServiceErrors = {
  unanswered: CallUnanswered,
  // What the service did not answer is no error of it, and thrown on as it is.
  translateUnknown: (error, service) => ('$fault' in error ? refusedError(error, service) : error),
}

const noSuchMachineError = (error: SdkError) => refusedError(error, 'Step Functions')
const rdsBusyError = () => new RdsBusy('RDS is at work on the database')

const services = {
  'Secrets Manager': {
    ...commonErrors,
    enrolHint: "check the name, and tag the secret keyturn:managed=true (an admin's keyturn:admin=true)",
  },
  'Parameter Store': {
    ...commonErrors,
    enrolHint: 'check the name, and tag the parameter keyturn:managed=true',
  },
  'Resource Groups Tagging API': commonErrors,
  DynamoDB: {
    ...commonErrors,
    translations: {
      ProvisionedThroughputExceededException: () => new Throttled('DynamoDB: too many requests'),
    },
  },
  'Step Functions': {
    ...commonErrors,
    translations: {
      InvalidArn: noSuchMachineError,
      StateMachineDoesNotExist: noSuchMachineError,
      ValidationException: noSuchMachineError,
    },
    // A rollback depends on its answers: whatever it is, it is asked again.
    translateUnknown(error) {
      if (!('$fault' in error)) return new CallUnanswered(`Step Functions: ${error.name}`)
      return isOfServer(error)
        ? new Throttled(`Step Functions: ${error.name}`)
        : new CallRefused(refusalMessage(error, 'Step Functions'))
    },
  },
  RDS: {
    ...commonErrors,
    translations: { InvalidDBInstanceStateFault: rdsBusyError, InvalidDBClusterStateFault: rdsBusyError },
    // From a VPC there may be no way to it.
    unanswered: Unreachable,
    enrolHint: 'tag the instance or cluster keyturn:managed=true',
  },
} satisfies Record<string, ServiceErrors>

/** A service of AWS, by the name that our errors begin with. */
export type ServiceName = keyof typeof services

/** Whether a message tells of an error of such a service, as all do that `ask` makes, and not of a database server. */
export const isServiceErrorMessage = (message: string): boolean =>
  Object.keys(services).some(service => message.includes(`: ${service}: `))

/** What errors mean at one call, by their names: an answer, or an error of ours that is thrown. */
export type ErrorHandlers<T> = Record<string, (error: Error) => T | Promise<T>>

/** Whether an error, by its name or its code, may pass by itself: there was no answer, or one that says "not now". */
export const isTemporary = ({ name, code = '' }: SdkError) =>
  TEMPORARY_ERRORS.test(name) || TEMPORARY_ERRORS.test(code)

/** Whether a service refused a call for want of a permission. */
export const isAccessDenied = ({ name }: SdkError) => ['AccessDeniedException', 'AccessDenied'].includes(name)

const TEMPORARY_ERRORS =
  /Throttl|TooManyRequests|TooManyUpdates|Internal(Service|Server|Failure|Error)|ServiceUnavailable|RequestTimeout|Timeout|ECONN|EHOSTUNREACH|ENETUNREACH|EPIPE|ENOTFOUND|EAI_AGAIN/

/**
 * Asks a service of AWS. This is the one way to do so for whatever is told in our terms.
 * @throws Throttled, NotPermitted, StoreFailed, or what `services` has for this one; what is no error of a call, unchanged
 */
export async function callAws<T, Else = never>(
  service: ServiceName,
  call: () => Promise<T>,
  meanings: ErrorHandlers<Else> = {},
): Promise<T | Else> {
  try {
    return await call()
  } catch (error) {
    if (!(error instanceof Error) || error instanceof RotationError) throw error
    const meaning = meanings[error.name]
    if (meaning) return meaning(error)
    throw translateError(service, error)
  }
}

/** A service's text is kept only where it cannot quote a value: a refusal names the caller, the action, the resource. */
function translateError(service: ServiceName, error: SdkError): unknown {
  const { translations = {}, unanswered, translateUnknown, enrolHint }: ServiceErrors = services[service]
  const { name, code, message } = error
  if (translations[name]) return translations[name](error)
  if (isTemporary(error))
    return new ('$fault' in error ? Throttled : unanswered)(`${service}: ${code ?? name}`)
  if ('$fault' in error && isAccessDenied(error))
    return new NotPermitted(`${service}: ${(enrolHint && notAllowedMessage(message, enrolHint)) ?? message}`)
  return translateUnknown(error, service)
}

/** IAM's sentence about a call that no policy of the role allows, in short, and with what to do. No other text. */
function notAllowedMessage(message: string, enrol: string): string | undefined {
  const [, caller, action, resource] =
    /^User: \S*?([^\s/]+) is not authorized to perform: (\S+)(?: on resource: (\S+))? because no identity-based policy allows the \S+ action$/.exec(
      message,
    ) ?? []
  if (!action) return undefined
  return `${caller} may not call ${action}${resource ? ` on ${resource}` : ''}: ${enrol}`
}
