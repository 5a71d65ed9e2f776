import { Option } from 'commander'
import { STRATEGY_NAMES } from '../../rotation/strategies/strategyNames.ts'
import { type CommandMaker, ID_TEXT } from '../commandMaker.ts'
import type { EnrolOptions } from '../commands/enrol.ts'

/** Adds `keyturn enrol` and `keyturn unenrol`. */
export function addEnrolCommands({ make, run }: CommandMaker): void {
  make(
    'enrol',
    'Have Keyturn rotate a credential; asks for missing options, and checks the credential first.',
  )
    .argument('[ID]', ID_TEXT)
    .addOption(new Option('--strategy <NAME>', 'how the credential rotates').choices(STRATEGY_NAMES))
    .option('--admin <ID>', "the admin's secret, which a function adds to the value as masterarn")
    .option('--every <DURATION>', 'how often, such as 30d')
    .option('--window <WINDOW>', 'with --every: when a rotation may begin, such as 02:00-05:00')
    .option('--jitter <DURATION>', 'with --every: delay each rotation by a part of this, such as 6h')
    .option('--schedule <RULE>', "instead of --every: Secrets Manager's schedule, such as 'rate(30 days)'")
    .option('--duration <HOURS>', 'with --schedule: how long its window is, such as 2h')
    .option('--grace <DURATION>', 'how long the old user or password stays valid, such as 24h')
    .option('--test-query <SQL>', 'a statement that the new credential must be able to run')
    .option('--now', 'also rotate at once')
    .option('--from <FILE>', 'enrol many: CSV or JSON with the fields id, strategy, admin, every and so on')
    .option('--dry-run', 'show the calls, and make none')
    .option('--yes', 'confirm every question, for scripts')
    .action(async (id: string | undefined, options: EnrolOptions, command) =>
      run(command, async context => {
        const { runEnrolCommand } = await import('../commands/enrol.ts')
        return runEnrolCommand(context, id, options)
      }),
    )

  make('unenrol', 'Have Keyturn stop rotating a credential; its value stays as it is.')
    .argument('<ID>', ID_TEXT)
    .option('--dry-run', 'show the calls, and make none')
    .option('--yes', 'confirm every question, for scripts')
    .action(async (id: string, options: { dryRun?: true; yes?: true }, command) =>
      run(command, async context => {
        const { runUnenrolCommand } = await import('../commands/unenrol.ts')
        return runUnenrolCommand(context, id, options)
      }),
    )
}
