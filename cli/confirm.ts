import { createInterface } from 'node:readline/promises'
import type { Context } from './context.ts'
import { CommandError, EXIT } from './exit.ts'

/** What is to be confirmed: `about` is what whoever confirms should know, a line each. */
export type Question = {
  details: string[]
  /** What has to be typed; `yes` and `y` will do without it. */
  word?: string
  /** Whether `flag` has said it. */
  isConfirmed: boolean
  /** The option that is the answer where nobody can type it, as somebody gives it. */
  flag: string
}

/**
 * Asks on the terminal, or takes an option for the answer. Whatever is not the answer is a no: another word, Ctrl-C, and an
 * input that ends. It never waits for an input that is no terminal.
 * @throws CommandError unless it was confirmed
 */
export async function confirm(
  context: Context,
  { details, word, flag, isConfirmed }: Question,
): Promise<void> {
  const { json, terminal, output } = context
  if (!isConfirmed && !canAsk(context))
    throw new CommandError(
      EXIT.usage,
      `${json ? '--json asks nothing' : 'there is no terminal to ask on'}, and this has to be confirmed: nothing was changed`,
      `If it is meant: ${flag}.`,
    )
  if (!json) for (const line of details) output.note(line)
  if (isConfirmed) return
  const answer = await readAnswer(terminal, word ? `Type ${word} to go on: ` : 'Go on? (yes/no) ')
  if (word ? answer === word : /^y(es)?$/i.test(answer ?? '')) return
  throw new CommandError(EXIT.usage, 'not confirmed: nothing was changed')
}

/** Whether there is somebody to ask. */
export const canAsk = ({ json, terminal }: Context): boolean => !json && terminal.input.isTTY === true

/** The line that somebody types; undefined if they press Ctrl-C, or if the input ends. */
export async function readAnswer(
  { input, questions }: Context['terminal'],
  question: string,
): Promise<string | undefined> {
  const lines = createInterface({ input, output: questions, terminal: true })
  const { promise: ended, resolve } = Promise.withResolvers<undefined>()
  const end = () => {
    questions.write('\n')
    resolve(undefined)
  }
  lines.once('SIGINT', end).once('close', end)
  try {
    const answer = await Promise.race([lines.question(question).catch(() => undefined), ended])
    return answer?.trim()
  } finally {
    // Its own listener stays, which lets go of the keyboard: the next question would get every key twice.
    lines.off('close', end).close()
  }
}
