import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import middy from '@middy/core'
import type { RemainingTime } from '../../fleet/poll.ts'
import { RotationError, Unexpected } from '../../rotation/errors.ts'
import { logger } from './logger.ts'

export { logger }

/** What leaves a function whose errors have names of its own, by which nothing is retried. */
export const unchangedError = (error: unknown) => error as Error

/** Only errors of ours leave any other, with the function's name in front. */
function toNamedError(error: unknown, name: string): Error {
  const ours = error instanceof RotationError ? error : new Unexpected(error)
  ours.message = `${name}: ${ours.message}`
  return ours
}

/**
 * The one door of every Lambda function: event parsed as it comes in, log lines that name the function and what `about`
 * tells of the event, and which errors leave it; the runtime logs them.
 */
export function functionHandler<Event, Result>(
  name: string,
  parse: (event: unknown) => Event,
  about: (event: Event) => Record<string, unknown>,
  run: (event: Event, context: RemainingTime) => Promise<Result>,
  leaving: (error: unknown, name: string) => Error = toNamedError,
) {
  // Lambda itself ends what takes too long, by a name that is retried, and its process with it.
  return middy({ timeoutEarlyInMillis: 0 })
    .use(injectLambdaContext(logger, { clearState: true }))
    .onError(request => {
      request.error = leaving(request.error, name)
    })
    .handler(async (raw: unknown, context): Promise<Result> => {
      const event = parse(raw)
      logger.appendKeys({ step: name, ...about(event) })
      const result = await run(event, context)
      logger.info('done', { result: result ?? null } as never)
      return result
    })
}
