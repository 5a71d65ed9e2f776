import { Option } from 'commander'
import { DAY_SECONDS } from '../../rotation/timeUnits.ts'
import { type CommandMaker, ID_TEXT } from '../commandMaker.ts'
import type { ReadersOptions } from '../commands/readers.ts'
import { parseSeconds } from '../optionParsers.ts'

/** Adds `keyturn readers`. */
export function addReadersCommand({ make, run }: CommandMaker): void {
  make('readers', 'Who read a credential lately, by CloudTrail.')
    .argument('<ID>', ID_TEXT)
    .addOption(
      new Option('--since <DURATION>', 'how far back, such as 24h or 7d; 90d at most')
        .argParser(parseSeconds)
        .default(7 * DAY_SECONDS, '7d'),
    )
    .addOption(
      new Option(
        '--budget <DURATION>',
        'how long to ask CloudTrail, such as 5m or 1h; it allows two calls a second',
      )
        .argParser(parseSeconds)
        .default(5 * 60, '5m'),
    )
    .action(async (id: string, options: ReadersOptions, command) =>
      run(command, async context => {
        const { runReadersCommand } = await import('../commands/readers.ts')
        return runReadersCommand(context, id, options)
      }),
    )
}
