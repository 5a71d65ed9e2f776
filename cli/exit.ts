/** The exit codes of the command, which docs/cli.md documents. */
export const EXIT = { done: 0, failed: 1, usage: 2, denied: 3, stopped: 4, findings: 5 } as const
/** One of the exit codes. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The meaning of each exit code, as --help and docs/cli.md print it. */
export const EXIT_MEANINGS: Record<ExitCode, string> = {
  0: 'done',
  1: 'failed: a rotation, a promotion or an enrolment failed, or AWS did not answer',
  2: 'wrong use: an option, an id or a stack that does not exist',
  3: 'not allowed: AWS refuses the caller, or its credentials',
  4: 'stopped waiting: what was started goes on',
  5: 'done, and something was found that somebody should look at',
}

/** The exit codes in the order of severity, the worst first. */
const WORST_FIRST: readonly ExitCode[] = [1, 3, 2, 4, 5, 0]

/** The exit code of a command that did several things: the worst of their codes. */
export const worstExitCode = (codes: readonly ExitCode[]): ExitCode =>
  WORST_FIRST.find(code => codes.includes(code)) ?? EXIT.done

/** Ends a command with an exit code. The message says in one line what is wrong, `remedy` in another line what to do. */
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

/** The error of a wrong use: of options, ids, files or a stack with which the command does nothing. */
export const usageError = (message: string, remedy?: string, cause?: unknown): CommandError =>
  new CommandError(EXIT.usage, message, remedy, cause)
