/** The exit codes of the command, which docs/cli.md promises. */
export const EXIT = { done: 0, failed: 1, usage: 2, denied: 3, stopped: 4, findings: 5 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What each code says, for help and docs. */
export const EXIT_MEANINGS: Record<ExitCode, string> = {
  0: 'done',
  1: 'failed: a rotation, a promotion or an enrolment failed, or AWS did not answer',
  2: 'wrong use: an option, an id or a stack that is not there',
  3: 'not allowed: AWS refuses the caller, or its credentials',
  4: 'stopped waiting: what was begun goes on',
  5: 'done, and something was found that somebody should look at',
}

/** The codes from the worst on. */
const WORST_FIRST: readonly ExitCode[] = [1, 3, 2, 4, 5, 0]

/** The code of a command that did several things, each with a code of its own: the worst of them. */
export const worstExitCode = (codes: readonly ExitCode[]): ExitCode =>
  WORST_FIRST.find(code => codes.includes(code)) ?? EXIT.done

/** Ends a command: its message says what is wrong in one line, and `remedy` in another what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code: ExitCode
  readonly remedy: string | undefined
  constructor(code: ExitCode, message: string, remedy?: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
    this.remedy = remedy
  }
}
