import { Logger } from '@aws-lambda-powertools/logger'
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware'
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics'
import middy from '@middy/core'
import { RotationError, Unexpected } from '../rotation/errors.ts'
import type { Pipeline } from '../rotation/steps.ts'
import type { StoreName } from '../rotation/stores/store.ts'
import { pipelineFor } from './pipeline.ts'

const secretKey = /password|secretstring|secretbinary|rotationtoken|verifier/i

/** The last net: a Credential hides its values itself. */
export const logger = new Logger({
  jsonReplacerFn: (key, value) => (secretKey.test(key) ? '***' : value),
})
const metrics = new Metrics({ namespace: 'Keyturn' })

/** Counts one outcome in CloudWatch, by what is known of the rotation. */
export function count(outcome: string, dimensions: Record<string, string>): void {
  metrics.singleMetric().addDimensions(dimensions).addMetric(outcome, MetricUnit.Count, 1)
}

/** What of Lambda's context a step may use. */
type Context = { getRemainingTimeInMillis(): number }

/**
 * One Lambda function around one step: event parsed at the door, log lines that name the rotation.
 * Only errors of ours leave it, with the step's name in front; the runtime logs them.
 */
export function stepHandler<
  Event extends { rotation: { store: StoreName; id: string; token: string } },
  Result,
>(
  step: string,
  parse: (event: unknown) => Event,
  run: (pipeline: Pipeline, event: Event, context: Context) => Promise<Result>,
) {
  return middy()
    .use(injectLambdaContext(logger, { clearState: true }))
    .onError(request => {
      const error = request.error instanceof RotationError ? request.error : new Unexpected(request.error)
      error.message = `${step}: ${error.message}`
      request.error = error
    })
    .handler(async (raw: unknown, context): Promise<Result> => {
      const event = parse(raw)
      const { store, id, token } = event.rotation
      logger.appendKeys({ step, store, id, token })
      const result = await run(await pipelineFor(store), event, context)
      logger.info('done', { result: result ?? null } as never)
      return result
    })
}
