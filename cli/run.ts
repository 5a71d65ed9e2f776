import { CommanderError } from 'commander'
import { dropEmptyVariables } from './clients.ts'
import { CommandError, EXIT, type ExitCode, usageError } from './exit.ts'
import { Output } from './output.ts'
import { makeProgram } from './program.ts'

/**
 * Runs the command line. Any error is printed in two lines: what went wrong, and what to do.
 * @param words the arguments after `keyturn`
 * @returns the exit code
 */
export async function runCommandLine(words: string[]): Promise<ExitCode> {
  dropEmptyVariables(process.env)
  const output = new Output(process.stdout, process.stderr, process.env)
  if (words[0] === 'complete' && words[1] === '--') {
    const { printCandidates } = await import('./complete/printCandidates.ts')
    // Ends the process.
    await printCandidates(words.slice(2))
  }
  let code: ExitCode = EXIT.done
  const program = makeProgram(endCode => {
    code = endCode
  })
  // Commander would print its errors itself and exit: here it throws them, and they are printed below like all others.
  for (const command of [program, ...program.commands])
    command.configureOutput({ outputError: () => {} }).exitOverride()
  if (words.length === 0) {
    program.outputHelp()
    return EXIT.usage
  }
  try {
    await program.parseAsync(words, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done
    const explained = await toCommandError(
      error,
      program.commands.find(command => words.includes(command.name()))?.name(),
    )
    output.error(explained)
    return explained.code
  }
}

/** Turns any error into one to print. @param command the name of the command that was called; undefined if it does not exist */
async function toCommandError(error: unknown, command?: string): Promise<CommandError> {
  if (error instanceof CommanderError)
    return usageError(
      error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' '),
      `See keyturn ${command ? `${command} ` : ''}--help`,
    )
  // Loaded here, so that a command without an error, such as --help, loads less.
  const { explainError } = await import('./awsErrors.ts')
  const explained = explainError(error)
  if (explained instanceof CommandError) return explained
  const { name, message } =
    explained instanceof Error ? explained : { name: 'Error', message: String(explained) }
  return new CommandError(
    EXIT.failed,
    `an unexpected ${name}: ${message}`,
    'If it happens again, please report it with the command that you ran.',
    error,
  )
}
