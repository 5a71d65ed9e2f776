import { CommanderError } from 'commander'
import { explainError } from './awsErrors.ts'
import { dropEmptyVariables } from './clients.ts'
import { CommandError, EXIT, type ExitCode } from './exit.ts'
import { Output } from './output.ts'
import { makeProgram } from './program.ts'

/** Runs the command line with these words. Whatever goes wrong is told in two lines. @returns the exit code */
export async function runCommandLine(words: string[]): Promise<ExitCode> {
  dropEmptyVariables(process.env)
  const output = new Output(process.stdout, process.stderr, process.env)
  if (words[0] === 'complete' && words[1] === '--') {
    const { printCandidates } = await import('./complete/printCandidates.ts')
    await printCandidates(words.slice(2))
  }
  let code: ExitCode = EXIT.done
  const program = makeProgram(ended => {
    code = ended
  })
  // It would print its own words for an error at once.
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
    const told = toCommandError(
      error,
      program.commands.find(command => words.includes(command.name()))?.name(),
    )
    output.error(told)
    return told.code
  }
}

/** @param command the command that was called, if it is there */
function toCommandError(error: unknown, command?: string): CommandError {
  if (error instanceof CommanderError)
    return new CommandError(
      EXIT.usage,
      error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' '),
      `What there is: keyturn ${command ? `${command} ` : ''}--help`,
    )
  const told = explainError(error)
  if (told instanceof CommandError) return told
  const { name, message } = told instanceof Error ? told : { name: 'Error', message: String(told) }
  return new CommandError(
    EXIT.failed,
    `an unexpected ${name}: ${message}`,
    'If it stays, please report it, with what you called.',
    error,
  )
}
