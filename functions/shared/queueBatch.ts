import * as v from 'valibot'

/** What Lambda hands to a function that reads a queue. */
export const queueBatch = v.object({
  Records: v.array(
    v.object({
      messageId: v.string(),
      body: v.string(),
      attributes: v.optional(v.object({ ApproximateReceiveCount: v.optional(v.string()) })),
    }),
  ),
})
export type QueueMessage = v.InferOutput<typeof queueBatch>['Records'][number]

/** Whether a message was handed over before, and given back. */
export const isRedelivered = ({ attributes }: QueueMessage) =>
  Number(attributes?.ApproximateReceiveCount ?? 1) > 1

/** Tells Lambda which messages are to come again, by their ids. */
export const partialBatchResponse = (ids: string[]) => ({
  batchItemFailures: ids.map(itemIdentifier => ({ itemIdentifier })),
})

/** The execution has not done yet what its event says, or nobody could look whether it did: ask again in a minute. */
export class TooEarly extends Error {
  override readonly name = 'TooEarly'
}
