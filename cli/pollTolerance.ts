import { isTemporary } from '../rotation/callAws.ts'

/** How many polls in a row may fail. */
const MAX_UNANSWERED_COUNT = 5

/** Lets a command that polls AWS ignore temporary errors, as long as no more than five polls in a row fail. */
export class PollTolerance {
  readonly #signal: AbortSignal
  #unanswered = 0

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /**
   * @param poll the promise of one poll
   * @returns the poll's result; undefined if it failed with a temporary error
   * @throws an error that is not temporary, or the sixth temporary error in a row; AbortError if the signal is aborted
   */
  async tolerate<Result>(poll: Promise<Result>): Promise<Result | undefined> {
    try {
      const result = await poll
      this.#unanswered = 0
      return result
    } catch (error) {
      this.#signal.throwIfAborted()
      if (!(error instanceof Error) || !isTemporary(error) || ++this.#unanswered > MAX_UNANSWERED_COUNT)
        throw error
      return undefined
    }
  }
}
