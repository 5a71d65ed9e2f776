import { Option } from 'commander'
import type { ReadersOptions } from '../commands/readers.ts'
import { ids, type Making, seconds } from '../looks.ts'

/** The command that tells who read a credential. */
export function addReaders({ make, run }: Making): void {
  make('readers', 'Who read a credential lately, as CloudTrail tells.')
    .argument('<ID>', ids)
    .addOption(
      new Option('--since <DURATION>', 'how far back, such as 24h or 7d; 90d at most')
        .argParser(seconds)
        .default(7 * 24 * 3600, '7d'),
    )
    .addOption(
      new Option('--budget <DURATION>', 'how long to look, such as 5m or 1h: two calls a second are allowed')
        .argParser(seconds)
        .default(5 * 60, '5m'),
    )
    .action(async (id: string, options: ReadersOptions, command) =>
      run(command, async context => {
        const { readers } = await import('../commands/readers.ts')
        return readers(context, id, options)
      }),
    )
}
