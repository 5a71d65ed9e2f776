import * as v from 'valibot'

/** The event of a function that reads an SQS queue: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
export const queueBatch = v.object({
  Records: v.array(
    v.object({
      messageId: v.string(),
      body: v.string(),
      attributes: v.optional(v.object({ ApproximateReceiveCount: v.optional(v.string()) })),
    }),
  ),
})
/** A message of an SQS queue. */
export type QueueMessage = v.InferOutput<typeof queueBatch>['Records'][number]

/** Whether SQS delivers a message for at least the second time. */
export const isRedelivered = ({ attributes }: QueueMessage) =>
  Number(attributes?.ApproximateReceiveCount ?? 1) > 1

/**
 * The result by which a function tells Lambda which messages SQS is to deliver again, by their ids:
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 */
export const partialBatchResponse = (ids: string[]) => ({
  batchItemFailures: ids.map(itemIdentifier => ({ itemIdentifier })),
})

/**
 * Thrown for an event whose execution has not yet done what the event says, or could not be looked at. The message is delivered
 * again when its visibility timeout ends.
 */
export class TooEarly extends Error {
  override readonly name = 'TooEarly'
}
