import { createInterface } from 'node:readline/promises'
import type { Context } from './context.ts'
import { usageError } from './exit.ts'

/** A question that has to be confirmed before a command changes something. */
export type Question = {
  /** What the command is about to do, a line each. */
  details: string[]
  /** The word that has to be typed. Without one, `yes` and `y` confirm. */
  word?: string
  /** Whether the caller gave the option `flag`: then nothing is asked. */
  isConfirmed: boolean
  /** The option that confirms without a question, as a caller types it, such as `--yes`. */
  flag: string
}

/**
 * Asks on the terminal, unless an option has confirmed already. Any answer but the expected word is a no, and so are Ctrl-C and
 * the end of the input. With --json, or if the input is no terminal, nothing is asked, and the command fails at once.
 * @throws CommandError unless it was confirmed
 */
export async function confirm(
  context: Context,
  { details, word, flag, isConfirmed }: Question,
): Promise<void> {
  const { json, terminal, output } = context
  if (!isConfirmed && !canAsk(context))
    throw usageError(
      `${json ? '--json asks nothing' : 'there is no terminal to ask on'}, and this has to be confirmed: nothing was changed`,
      `To confirm it without a question: ${flag}.`,
    )
  if (!json) for (const line of details) output.note(line)
  if (isConfirmed) return
  const answer = await readAnswer(terminal, word ? `Type ${word} to go on: ` : 'Go on? (yes/no) ')
  if (word ? answer === word : /^y(es)?$/i.test(answer ?? '')) return
  throw usageError('not confirmed: nothing was changed')
}

/** Whether a question can be asked: standard input is a terminal, and the output is not JSON. */
export const canAsk = ({ json, terminal }: Context): boolean => !json && terminal.input.isTTY === true

/** Asks a question and reads one line. @returns the line, trimmed; undefined on Ctrl-C or at the end of the input */
export async function readAnswer(
  { input, questions }: Context['terminal'],
  question: string,
): Promise<string | undefined> {
  const lines = createInterface({ input, output: questions, terminal: true })
  const { promise: ended, resolve } = Promise.withResolvers<undefined>()
  const endWithoutAnswer = () => {
    questions.write('\n')
    resolve(undefined)
  }
  lines.once('SIGINT', endWithoutAnswer).once('close', endWithoutAnswer)
  try {
    const answer = await Promise.race([lines.question(question).catch(() => undefined), ended])
    return answer?.trim()
  } finally {
    // Only endWithoutAnswer is removed. readline's own listener of `close` has to stay, as it stops reading the keyboard: else the
    // next question would get every key twice.
    lines.off('close', endWithoutAnswer).close()
  }
}
