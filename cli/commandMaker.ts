import type { Command } from 'commander'
import type { Context } from './context.ts'
import type { ExitCode } from './exit.ts'

/** What program.ts hands to each function that adds commands. */
export type CommandMaker = {
  /** Adds a command to the program. `description` is the text of its --help. */
  make(name: string, description: string): Command
  /** Runs `act` with the context that the options of `command` ask for, and keeps its exit code. */
  run(command: Command, act: (context: Context) => Promise<ExitCode>): Promise<void>
}

/** The help of an argument that names one credential. */
export const ID_TEXT = 'a secret or a parameter: its ARN, secret:NAME, parameter:NAME, or its name'
