import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import type { RemainingTime } from '../../fleet/poll.ts'
import { RotationError, Unexpected } from '../../rotation/errors.ts'
import { logger } from './logger.ts'

/**
 * Passes errors on as they are. raiseAlarm uses it: no state machine calls that function, so the names of its errors do not matter.
 */
export const unchangedError = (error: unknown) => error as Error

/**
 * The error that leaves every other function. A RotationError keeps its name, by which the state machine retries, and gets the
 * function's name in front of its message. Any other error becomes Unexpected, without its message, which may quote a value.
 */
function toNamedError(error: unknown, name: string): Error {
  const ours = error instanceof RotationError ? error : new Unexpected(error)
  ours.message = `${name}: ${ours.message}`
  return ours
}

/**
 * Makes the handler of a Lambda function. The handler parses the event, adds the function's name and the keys of `about` to every
 * log line, logs the result, and turns errors into those that may leave the function. Lambda's runtime logs these errors.
 * @param name the name of the function
 * @param parse parses the event; throws an error of rotation/errors.ts, mostly InvalidInput
 * @param about which keys of the event the log lines have; no secret may be among them
 * @param run does the work of the function
 * @param errorToThrow makes the error that leaves the function of the one that `parse` or `run` threw
 */
export function functionHandler<Event, Result>(
  name: string,
  parse: (event: unknown) => Event,
  about: (event: Event) => Record<string, unknown>,
  run: (event: Event, context: RemainingTime) => Promise<Result>,
  errorToThrow: (error: unknown, name: string) => Error = toNamedError,
) {
  // No early timeout of middy: Lambda itself ends a call that takes too long, together with its process. The state machine
  // retries the error name of that, Sandbox.Timedout, and the work does not go on in a process that is called again.
  return middy({ timeoutEarlyInMillis: 0 })
    .use(injectLambdaContext(logger, { clearState: true }))
    .onError(request => {
      request.error = errorToThrow(request.error, name)
    })
    .handler(async (raw: unknown, context): Promise<Result> => {
      const event = parse(raw)
      logger.appendKeys({ step: name, ...about(event) })
      const result = await run(event, context)
      logger.info('done', { result: result ?? null } as never)
      return result
    })
}
