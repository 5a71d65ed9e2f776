import { type Command, InvalidArgumentError, Option } from 'commander'
import type { EventsOptions } from './commands/events.ts'
import type { HistoryOptions } from './commands/history.ts'
import type { StatusOptions } from './commands/status.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit.ts'
import { STATES } from './standing/states.ts'

/** What program.ts hands to each function that adds commands. */
export type CommandMaker = {
  /** Adds a command to the program. `description` is the text of its --help. */
  make(name: string, description: string): Command
  /** Runs `act` with the context that the options of `command` ask for, and keeps its exit code. */
  run(command: Command, act: (context: Context) => Promise<ExitCode>): Promise<void>
}

/** The help of an argument that names one credential. */
export const ID_TEXT = 'a secret or a parameter: its ARN, secret:NAME, parameter:NAME, or its name'

/** Adds `status`, `history` and `events`, which change nothing. */
export function addStatusCommands({ make, run }: CommandMaker): void {
  make('status', 'The state of one credential, or of all of them, the worst first.')
    .argument('[ID]', ID_TEXT)
    .addOption(
      new Option('--tag <KEY=VALUE>', 'only those with this tag; may be repeated')
        .argParser(collectTag)
        .default([], 'any'),
    )
    .addOption(new Option('--state <STATE>', 'only those in this state').choices(STATES))
    .option('--host <HOST>', 'only those that last rotated on this host, or host:port')
    .option('--watch', 'refresh every ten seconds, until Ctrl-C')
    .action(async (id: string | undefined, options: StatusOptions, command) =>
      run(command, async context => {
        const { runStatusCommand } = await import('./commands/status.ts')
        return runStatusCommand(context, id, options)
      }),
    )

  make('history', 'The recorded rotations of a credential, the latest first.')
    .argument('<ID>', ID_TEXT)
    .option('--last', 'only the latest rotation, step by step')
    .option('--most <NUMBER>', 'at most this many rotations', parseCount, 20)
    .action(async (id: string, options: HistoryOptions, command) =>
      run(command, async context => {
        const { runHistoryCommand } = await import('./commands/history.ts')
        return runHistoryCommand(context, id, options)
      }),
    )

  make('events', 'The latest rotations of the whole stage, a line for each.')
    .addOption(
      new Option('--since <DURATION>', 'how far back, such as 90m, 24h or 7d')
        .argParser(parseSeconds)
        .default(24 * 3600, '24h'),
    )
    .option('--most <NUMBER>', 'at most this many rotations, the latest', parseCount, 500)
    .action(async (options: EventsOptions, command) =>
      run(command, async context => {
        const { runEventsCommand } = await import('./commands/events.ts')
        return runEventsCommand(context, options)
      }),
    )
}

/**
 * Parses KEY=VALUE and adds that tag to those `before` it, for an option that may be repeated.
 * @throws InvalidArgumentError
 */
export function collectTag(text: string, before: [string, string][] = []): [string, string][] {
  const [, key = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (!key) throw new InvalidArgumentError('It should be KEY=VALUE.')
  return [...before, [key, value]]
}

/** Parses a whole number from 1 to 10000. @throws InvalidArgumentError */
export function parseCount(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > 10_000)
    throw new InvalidArgumentError('It should be a whole number from 1 to 10000.')
  return number
}

/** Parses a duration such as 90m, 24h or 7d. @returns seconds. @throws InvalidArgumentError */
export function parseSeconds(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  const asSeconds = Number(number) * { m: 60, h: 3600, d: 86_400 }[unit as 'm' | 'h' | 'd']
  if (!(asSeconds > 0 && asSeconds <= 400 * 86_400))
    throw new InvalidArgumentError('It should be a whole number with m, h or d, such as 24h; 400d at most.')
  return asSeconds
}
