import { NotPermitted, RdsBusy, RotationError, StoreFailed, Throttled, Unreachable } from './errors.ts'

/** An error as the AWS SDK throws it. It has `$fault` if the service answered, and not if there was no answer. */
export type SdkError = Error & {
  code?: string
  $fault?: string
  $metadata?: { requestId?: string; httpStatusCode?: number }
}

/**
 * AWS did not answer. The error's name is Throttled, as of every other Throttled, so it is retried. Only a rehearsal tells the two
 * apart (runRehearsal.ts).
 */
export class CallUnanswered extends Throttled {}

/**
 * AWS refused a call for an unknown reason, and a rollback depends on that call. The error's name is Throttled here too, so it is
 * retried. Only a rehearsal tells the two apart.
 */
export class CallRefused extends Throttled {}

/** How the errors of one service are translated. */
type ServiceErrors = {
  /** The errors that Keyturn knows, by the service's name for them. */
  translations?: Record<string, (error: SdkError) => RotationError>
  /** The class of the error if there was no answer. */
  unanswered: new (
    message: string,
  ) => RotationError
  /** Translates an error that is neither in `translations`, nor temporary, nor a denied call. */
  translateUnknown(error: SdkError, service: string): unknown
  /**
   * What to do if no policy of Keyturn's role allows a call. Then nothing of this name exists, or what has the name lacks the tag.
   */
  enrolHint?: string
}

const refusalMessage = ({ name, $metadata }: SdkError, service: string) =>
  `${service}: ${name}, request ${$metadata?.requestId}`
const refusedError = (error: SdkError, service: string) => new StoreFailed(refusalMessage(error, service))

/**
 * Whether the service failed or was called too often, by its HTTP status. `$fault` does not tell: the SDK sets it to `client` for
 * every error that it has no class for.
 */
const isServerFault = ({ $metadata: { httpStatusCode = 400 } = {} }: SdkError) =>
  httpStatusCode >= 500 || httpStatusCode === 429

const commonErrors: ServiceErrors = {
  unanswered: CallUnanswered,
  // An error without `$fault` did not come from the service, so it stays as it is.
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
    // A rollback depends on the answers of Step Functions, so every error is one that is retried.
    translateUnknown(error) {
      if (!('$fault' in error)) return new CallUnanswered(`Step Functions: ${error.name}`)
      return isServerFault(error)
        ? new Throttled(`Step Functions: ${error.name}`)
        : new CallRefused(refusalMessage(error, 'Step Functions'))
    },
  },
  RDS: {
    ...commonErrors,
    translations: { InvalidDBInstanceStateFault: rdsBusyError, InvalidDBClusterStateFault: rdsBusyError },
    // A VPC may have no network path to RDS's API.
    unanswered: Unreachable,
    enrolHint: 'tag the instance or cluster keyturn:managed=true',
  },
} satisfies Record<string, ServiceErrors>

/** The name of an AWS service, with which the messages of its errors begin. */
export type ServiceName = keyof typeof services

/**
 * Whether a message is one that callAws made: of an error of an AWS service, and not of a database server. The message is as the
 * state machine has it, with the name of a function in front.
 */
export const isServiceErrorMessage = (message: string): boolean =>
  Object.keys(services).some(service => message.includes(`: ${service}: `))

/** What to do about errors of one call, by the service's names for them. A handler returns a result, or throws a RotationError. */
export type ErrorHandlers<T> = Record<string, (error: Error) => T | Promise<T>>

/** Whether an error may pass by itself, by its name or code: there was no answer, or the service was busy. */
export const isTemporary = ({ name, code = '' }: SdkError) =>
  TEMPORARY_ERRORS.test(name) || TEMPORARY_ERRORS.test(code)

/** Whether a service refused a call for lack of a permission. */
export const isAccessDenied = ({ name }: SdkError) => ['AccessDeniedException', 'AccessDenied'].includes(name)

const TEMPORARY_ERRORS =
  /Throttl|TooManyRequests|TooManyUpdates|Internal(Service|Server|Failure|Error)|ServiceUnavailable|RequestTimeout|Timeout|ECONN|EHOSTUNREACH|ENETUNREACH|EPIPE|ENOTFOUND|EAI_AGAIN/

/**
 * Calls an AWS service and translates its errors to RotationErrors.
 * @returns what `call` or a handler returns
 * @throws what a handler throws; else Throttled, NotPermitted, StoreFailed, or what `services` has for this service; an error that
 *   is not from the service, as it is
 */
export async function callAws<T, Else = never>(
  service: ServiceName,
  call: () => Promise<T>,
  handlers: ErrorHandlers<Else> = {},
): Promise<T | Else> {
  try {
    return await call()
  } catch (error) {
    if (!(error instanceof Error) || error instanceof RotationError) throw error
    const handler = handlers[error.name]
    if (handler) return handler(error)
    throw translateError(service, error)
  }
}

/**
 * Translates an error of a service. The service's own message is kept only if it cannot quote a value: the one of a denied
 * call, which names the caller, the action and the resource.
 */
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

/**
 * Shortens IAM's sentence about a call that no policy of the caller allows, and adds what to do.
 * @returns undefined for any other sentence
 */
function notAllowedMessage(message: string, enrolHint: string): string | undefined {
  const [, caller, action, resource] =
    /^User: \S*?([^\s/]+) is not authorized to perform: (\S+)(?: on resource: (\S+))? because no identity-based policy allows the \S+ action$/.exec(
      message,
    ) ?? []
  if (!action) return undefined
  return `${caller} may not call ${action}${resource ? ` on ${resource}` : ''}: ${enrolHint}`
}
