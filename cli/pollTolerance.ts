import { isTemporary } from '../rotation/callAws.ts'

/** As many looks may go without an answer, one after the other. */
const MAX_UNANSWERED_COUNT = 5

/** Looks at something that goes on, again and again: an answer that is missing now and then ends nothing. */
export class PollTolerance {
  readonly #signal: AbortSignal
  #unanswered = 0

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /**
   * What a look finds; undefined if there was no answer.
   * @throws what AWS throws, if that goes on or does not pass by itself; AbortError if the signal is aborted
   */
  async tolerate<Found>(look: Promise<Found>): Promise<Found | undefined> {
    try {
      const found = await look
      this.#unanswered = 0
      return found
    } catch (error) {
      this.#signal.throwIfAborted()
      if (!(error instanceof Error) || !isTemporary(error) || ++this.#unanswered > MAX_UNANSWERED_COUNT)
        throw error
      return undefined
    }
  }
}
