import { NotPermitted, RotationError, StoreFailed, Throttled } from '../errors.ts'

export function isNamed(error: unknown, ...names: string[]): boolean {
  return error instanceof Error && names.includes(error.name)
}

const temporary =
  /Throttl|TooManyRequests|TooManyUpdates|Internal(Service|Server|Failure|Error)|ServiceUnavailable|RequestTimeout|Timeout|ECONN|EHOSTUNREACH|ENETUNREACH|EPIPE|ENOTFOUND|EAI_AGAIN/

/**
 * What an AWS client threw, in our terms: Throttled, NotPermitted, StoreFailed; whatever else it is, unchanged.
 * A service's text is kept only where it cannot quote a value: a refusal names the caller, the action, the resource.
 */
export function translate(service: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof RotationError) return error
  const { code, $metadata } = error as { code?: string; $metadata?: { requestId?: string } }
  if (temporary.test(error.name) || temporary.test(code ?? ''))
    return new Throttled(`${service}: ${code ?? error.name}`)
  // The SDK's mark of an error that the service answered.
  if (!('$fault' in error)) return error
  if (isNamed(error, 'AccessDeniedException', 'AccessDenied'))
    return new NotPermitted(`${service}: ${error.message}`)
  return new StoreFailed(`${service}: ${error.name}, request ${$metadata?.requestId}`)
}

/** What a service answered. @throws as `translate` says */
export async function answered<T>(service: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw translate(service, error)
  }
}
