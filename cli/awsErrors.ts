import { isAccessDenied, isTemporary, type SdkError } from '../rotation/callAws.ts'
import { RotationError } from '../rotation/errors.ts'
import { CommandError, EXIT, type ExitCode, usageError } from './exit.ts'

/**
 * An error of a call to AWS, with the service, the operation and the AWS profile of the call. `Clients` (clients.ts) adds those
 * three to each error that the SDK throws.
 */
export type CallFailure = SdkError & {
  service?: string
  operation?: string
  profile?: string | undefined
  $metadata?: { httpStatusCode?: number }
}

const EXPIRED_CREDENTIALS = /^Expired|^RequestExpired|TokenRefreshRequired|SSOTokenProviderFailure/
const UNKNOWN_CREDENTIALS =
  /^(UnrecognizedClient|InvalidClientTokenId|InvalidSignature|SignatureDoesNotMatch|MissingAuthenticationToken|InvalidToken|IncompleteSignature|AuthFailure)/
const NO_ANSWER =
  /ECONN|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|^TimeoutError$|^AggregateError$|NetworkingError/

/**
 * Turns an error of AWS or of its SDK into a CommandError that says what went wrong and what to do.
 * @returns that CommandError; any other error unchanged
 */
export function explainError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CommandError) return error
  const failure: CallFailure = error instanceof RotationError ? toCallFailure(error) : error
  return credentialsProblem(failure) ?? settingsProblem(failure) ?? callProblem(failure) ?? error
}

/**
 * Why a call to AWS failed, in one line, for a command that goes on without the result of that call.
 * @throws the error itself, unless `explainError` can explain it
 */
export function whyFailed(error: unknown): string {
  const explained = explainError(error)
  if (explained instanceof CommandError) return explained.message
  throw error
}

/** A failure as a command prints it: the exit code, what went wrong (`says`), and what to do (`remedy`). */
export type ExplainedFailure = { code: ExitCode; says: string; remedy?: string }

/** Explains any error, also an unexpected one, for a command that goes on with its other credentials. */
export function explainFailure(error: unknown): ExplainedFailure {
  const explained = explainError(error)
  if (!(explained instanceof CommandError))
    return {
      code: EXIT.failed,
      says: `an unexpected ${explained instanceof Error ? `${explained.name}: ${explained.message}` : explained}`,
    }
  const { code, message, remedy } = explained
  return { code, says: message, ...(remedy && { remedy }) }
}

/**
 * Reads a call's failure back from the error that rotation/callAws.ts makes of it, whose message is `Service: rest`. The rest of
 * a NotPermitted is a sentence about the refusal. That of any other error is the name of AWS's error, perhaps with the request's id
 * after a comma. If it is neither, such as `too many requests`, the name of the RotationError serves, such as Throttled.
 */
function toCallFailure({ name, message }: RotationError): CallFailure {
  const [, service = 'AWS', rest = message] = /^([\w ]+): (.*)$/s.exec(message) ?? []
  if (name === 'NotPermitted') return Object.assign(new Error(rest), { name: 'AccessDenied', service })
  const [, awsName = name] = /^(\w+)(?:,|$)/.exec(rest) ?? []
  return Object.assign(new Error(rest), { name: awsName, service, $fault: 'client' })
}

function credentialsProblem(failure: CallFailure): CommandError | undefined {
  const { name, message, profile } = failure
  if (EXPIRED_CREDENTIALS.test(name) || /token (?:is|has) expired|session .*expired/i.test(message))
    return deniedError(
      failure,
      'the credentials have expired',
      'Log in again, such as by `aws sso login`, and repeat the command.',
    )
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError')
    return deniedError(
      failure,
      profile
        ? `the profile ${profile} does not exist, or has no credentials`
        : 'there are no credentials for AWS',
      profile
        ? 'See `aws configure list-profiles`, and name one of these with --profile.'
        : 'Give them as the AWS command line takes them: --profile, or variables such as AWS_PROFILE.',
    )
  if (UNKNOWN_CREDENTIALS.test(name))
    return deniedError(
      failure,
      `AWS does not know these credentials (${name})`,
      'See `aws sts get-caller-identity`, and name another profile with --profile.',
    )
  return undefined
}

function settingsProblem(failure: CallFailure): CommandError | undefined {
  if (/Region is missing/i.test(failure.message))
    return usageError('there is no Region', 'Name it with --region, or set AWS_REGION.', failure)
  if (/Invalid URL|Region not accepted|endpoint.*(?:invalid|not a valid)/i.test(failure.message))
    return usageError(
      `the endpoint or the Region is not valid: ${failure.message}`,
      'Check --region and the variables AWS_ENDPOINT_URL….',
      failure,
    )
  return undefined
}

function callProblem(failure: CallFailure): CommandError | undefined {
  const { name, code, message, service = 'AWS', operation = 'a call' } = failure
  if (isAccessDenied(failure))
    return deniedError(
      failure,
      `${service} refuses ${operation}: ${message}`,
      'Ask for this permission; docs/cli.md lists those that each command needs.',
    )
  if (NO_ANSWER.test(name) || NO_ANSWER.test(code ?? ''))
    return new CommandError(
      EXIT.failed,
      `${service} does not answer (${code ?? name})`,
      'Check the network, --region, and the variables AWS_ENDPOINT_URL….',
      failure,
    )
  if (isTemporary(failure))
    return new CommandError(
      EXIT.failed,
      `${service} throttled the call, or failed on its side (${name})`,
      'Repeat the command a little later.',
      failure,
    )
  if (!('$fault' in failure)) return undefined
  return otherAwsError(failure)
}

/**
 * Any other error that a service answered. The SDK names an error Unknown when the answer has no name for it, such as the
 * answer of a proxy.
 */
function otherAwsError(failure: CallFailure): CommandError {
  const { name, message, service = 'AWS', operation = 'a call', $metadata } = failure
  if (name !== 'Unknown' && name !== 'UnknownError')
    return new CommandError(
      EXIT.failed,
      `${service}: ${operation}: ${name}: ${message}`,
      `AWS's reference of ${operation} says what this error means. If it is temporary, repeat the command.`,
      failure,
    )
  const status = $metadata?.httpStatusCode
  return new CommandError(
    EXIT.failed,
    `${service} answered ${operation} with an error that has no name${status ? ` (HTTP ${status})` : ''}`,
    'Such an answer seldom comes from AWS: check your proxy, --region, and the variables AWS_ENDPOINT_URL…; then repeat the command.',
    failure,
  )
}

const deniedError = (cause: Error, message: string, remedy: string) =>
  new CommandError(EXIT.denied, message, remedy, cause)
