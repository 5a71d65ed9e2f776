import { isAccessDenied, isTemporary, type SdkError } from '../rotation/callAws.ts'
import { RotationError } from '../rotation/errors.ts'
import { CommandError, EXIT, type ExitCode } from './exit.ts'

/** An error of a call, with what was called: see markErrors in clients.ts. */
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
 * What an error of AWS, or of the SDK on the way there, says to a person. What is none of these is returned as it is.
 */
export function explainError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CommandError) return error
  const failure: CallFailure = error instanceof RotationError ? toCallFailure(error) : error
  return credentialsProblem(failure) ?? settingsProblem(failure) ?? callProblem(failure) ?? error
}

/** Why a call failed, for a command that goes on without it. @throws the error, if it is none that can be explained */
export function whyFailed(error: unknown): string {
  const told = explainError(error)
  if (told instanceof CommandError) return told.message
  throw error
}

/** What went wrong, and what to do. */
export type ExplainedFailure = { code: ExitCode; says: string; remedy?: string }

/** The same of any error, for a command that goes on with others. */
export function explainFailure(error: unknown): ExplainedFailure {
  const told = explainError(error)
  if (!(told instanceof CommandError))
    return {
      code: EXIT.failed,
      says: `an unexpected ${told instanceof Error ? `${told.name}: ${told.message}` : told}`,
    }
  const { code, message, remedy } = told
  return { code, says: message, ...(remedy && { remedy }) }
}

/** What callAws.ts has made of a call's error: its message names the service, and then the error or the service's words. */
function toCallFailure({ name, message }: RotationError): CallFailure {
  const [, service = 'AWS', rest = message] = /^([\w ]+): (.*)$/s.exec(message) ?? []
  if (name === 'NotPermitted') return Object.assign(new Error(rest), { name: 'AccessDenied', service })
  const [own = name] = rest.split(',')
  return Object.assign(new Error(rest), { name: own, service, $fault: 'client' })
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
        ? `the profile ${profile} is not there, or has no credentials`
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
    return new CommandError(
      EXIT.usage,
      'there is no Region',
      'Name it with --region, or set AWS_REGION.',
      failure,
    )
  if (/Invalid URL|Region not accepted|endpoint.*(?:invalid|not a valid)/i.test(failure.message))
    return new CommandError(
      EXIT.usage,
      `the endpoint or the Region is none: ${failure.message}`,
      'See --region and the variables AWS_ENDPOINT_URL….',
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
      'See the network, --region, and the variables AWS_ENDPOINT_URL….',
      failure,
    )
  if (isTemporary(failure))
    return new CommandError(
      EXIT.failed,
      `${service} asks for fewer calls, or failed on its side (${name})`,
      'Repeat the command a little later.',
      failure,
    )
  if (!('$fault' in failure)) return undefined
  return otherAwsError(failure)
}

/** An error that nothing better is known of. The SDK calls it Unknown where an answer names none, as that of a proxy. */
function otherAwsError(failure: CallFailure): CommandError {
  const { name, message, service = 'AWS', operation = 'a call', $metadata } = failure
  if (name !== 'Unknown' && name !== 'UnknownError')
    return new CommandError(
      EXIT.failed,
      `${service}: ${operation}: ${name}: ${message}`,
      `AWS's reference of ${operation} says what this error means. Where it may pass, repeat the command.`,
      failure,
    )
  const status = $metadata?.httpStatusCode
  return new CommandError(
    EXIT.failed,
    `${service} answered ${operation} with an error that has no name${status ? ` (HTTP ${status})` : ''}`,
    'That is seldom AWS: see a proxy on the way, --region, and the variables AWS_ENDPOINT_URL…; then repeat the command.',
    failure,
  )
}

const deniedError = (cause: Error, message: string, remedy: string) =>
  new CommandError(EXIT.denied, message, remedy, cause)
