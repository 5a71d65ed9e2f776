import * as v from 'valibot'

/** What Lambda hands to a function that reads a queue. */
export const batch = v.object({
  Records: v.array(
    v.object({
      messageId: v.string(),
      body: v.string(),
      attributes: v.optional(v.object({ ApproximateReceiveCount: v.optional(v.string()) })),
    }),
  ),
})
export type Message = v.InferOutput<typeof batch>['Records'][number]

/** Whether a message was handed over before, and given back. */
export const cameAgain = ({ attributes }: Message) => Number(attributes?.ApproximateReceiveCount ?? 1) > 1

/** Tells Lambda which messages are to come again, by their ids. */
export const toComeAgain = (ids: string[]) => ({
  batchItemFailures: ids.map(itemIdentifier => ({ itemIdentifier })),
})

/** The execution has not done yet what its event says, or nobody could look whether it did: ask again in a minute. */
export class TooEarly extends Error {
  override readonly name = 'TooEarly'
}
