import { type Command, InvalidArgumentError, Option } from 'commander'
import type { EventsOptions } from './commands/events.ts'
import type { HistoryOptions } from './commands/history.ts'
import type { StatusOptions } from './commands/status.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit.ts'
import { STATES } from './standing/states.ts'

/** How a program makes a command, and runs what it does. */
export type CommandMaker = {
  make(name: string, description: string): Command
  run(command: Command, act: (context: Context) => Promise<ExitCode>): Promise<void>
}

/** What the argument of a command that is about one credential is. */
export const ID_TEXT = 'a secret or a parameter: its ARN, secret:NAME, parameter:NAME, or its name'

/** The commands that look and change nothing. */
export function addStatusCommands({ make, run }: CommandMaker): void {
  make('status', 'How one credential stands, or all of them, the worst first.')
    .argument('[ID]', ID_TEXT)
    .addOption(
      new Option('--tag <KEY=VALUE>', 'only those with this tag; may be repeated')
        .argParser(collectTag)
        .default([], 'any'),
    )
    .addOption(new Option('--state <STATE>', 'only those in this state').choices(STATES))
    .option('--host <HOST>', 'only those that last rotated on this host, or host:port')
    .option('--watch', 'look again every ten seconds, until Ctrl-C')
    .action(async (id: string | undefined, options: StatusOptions, command) =>
      run(command, async context => {
        const { runStatusCommand } = await import('./commands/status.ts')
        return runStatusCommand(context, id, options)
      }),
    )

  make('history', 'Every rotation of a credential that is known, the latest first.')
    .argument('<ID>', ID_TEXT)
    .option('--last', 'the latest alone, step by step')
    .option('--most <NUMBER>', 'so many at most', parseCount, 20)
    .action(async (id: string, options: HistoryOptions, command) =>
      run(command, async context => {
        const { runHistoryCommand } = await import('./commands/history.ts')
        return runHistoryCommand(context, id, options)
      }),
    )

  make('events', 'What changed in the whole stage lately: a line for each rotation.')
    .addOption(
      new Option('--since <DURATION>', 'how far back, such as 90m, 24h or 7d')
        .argParser(parseSeconds)
        .default(24 * 3600, '24h'),
    )
    .option('--most <NUMBER>', 'so many at most, the latest', parseCount, 500)
    .action(async (options: EventsOptions, command) =>
      run(command, async context => {
        const { runEventsCommand } = await import('./commands/events.ts')
        return runEventsCommand(context, options)
      }),
    )
}

/** One more tag, as KEY=VALUE. */
export function collectTag(text: string, before: [string, string][] = []): [string, string][] {
  const [, key = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (!key) throw new InvalidArgumentError('It should be KEY=VALUE.')
  return [...before, [key, value]]
}

/** A number of things. */
export function parseCount(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > 10_000)
    throw new InvalidArgumentError('It should be a whole number from 1 to 10000.')
  return number
}

/** A duration in seconds. */
export function parseSeconds(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  const asSeconds = Number(number) * { m: 60, h: 3600, d: 86_400 }[unit as 'm' | 'h' | 'd']
  if (!(asSeconds > 0 && asSeconds <= 400 * 86_400))
    throw new InvalidArgumentError('It should be a whole number with m, h or d, such as 24h; 400d at most.')
  return asSeconds
}
