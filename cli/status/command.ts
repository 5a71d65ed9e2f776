import { Option } from 'commander'
import { DAY_SECONDS } from '../../rotation/timeUnits.ts'
import { type CommandMaker, ID_TEXT } from '../commandMaker.ts'
import type { EventsOptions } from '../commands/events.ts'
import type { HistoryOptions } from '../commands/history.ts'
import type { StatusOptions } from '../commands/status.ts'
import { collectTag, parseCount, parseSeconds } from '../optionParsers.ts'
import { STATES } from '../standing/states.ts'

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
        const { runStatusCommand } = await import('../commands/status.ts')
        return runStatusCommand(context, id, options)
      }),
    )

  make('history', 'The recorded rotations of a credential, the latest first.')
    .argument('<ID>', ID_TEXT)
    .option('--last', 'only the latest rotation, step by step')
    .option('--most <NUMBER>', 'at most this many rotations', parseCount, 20)
    .action(async (id: string, options: HistoryOptions, command) =>
      run(command, async context => {
        const { runHistoryCommand } = await import('../commands/history.ts')
        return runHistoryCommand(context, id, options)
      }),
    )

  make('events', 'The latest rotations of the whole stage, a line for each.')
    .addOption(
      new Option('--since <DURATION>', 'how far back, such as 90m, 24h or 7d')
        .argParser(parseSeconds)
        .default(DAY_SECONDS, '24h'),
    )
    .option('--most <NUMBER>', 'at most this many rotations, the latest', parseCount, 500)
    .action(async (options: EventsOptions, command) =>
      run(command, async context => {
        const { runEventsCommand } = await import('../commands/events.ts')
        return runEventsCommand(context, options)
      }),
    )
}
