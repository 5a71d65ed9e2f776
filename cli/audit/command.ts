import { Option } from 'commander'
import { SEVERITIES } from '../../fleet/audit/report.ts'
import { DAY_SECONDS } from '../../rotation/timeUnits.ts'
import type { CommandMaker } from '../commandMaker.ts'
import type { AuditOptions } from '../commands/audit.ts'
import { parseCount, parseRegion, parseSeconds } from '../optionParsers.ts'

/** Adds `keyturn audit`. */
export function addAuditCommand({ make, run }: CommandMaker): void {
  make(
    'audit',
    'Check whether every credential rotates as the policy demands; find those that are stuck, exposed, unused or unread.',
  )
    .option('--policy <FILE>', 'the policy in YAML (default: values 90 days old at most; see docs/audit.md)')
    .option(
      '--regions <REGION>',
      'also audit this Region, in addition to those of the stack and its peers; may be repeated',
      (text: string, before: string[] = []) => [...before, parseRegion(text)],
    )
    .addOption(
      new Option('--reads <DURATION>', 'how far back to ask CloudTrail who reads, such as 7d; 90d at most')
        .argParser(parseSeconds)
        .default(7 * DAY_SECONDS, '7d'),
    )
    .option('--no-reads', 'do not ask CloudTrail')
    .addOption(
      new Option('--reads-budget <DURATION>', 'how long to ask CloudTrail in each Region')
        .argParser(parseSeconds)
        .default(300, '5m'),
    )
    .option('--html <FILE>', 'write the report as one HTML page, which opens offline')
    .option('--csv <FILE>', 'write the findings as a CSV table')
    .option('--most <NUMBER>', 'print at most this many findings of each rule', parseCount, 5)
    .option(
      '--baseline <FILE>',
      'compare with an earlier report of --json: show what is new and what is gone',
    )
    .addOption(
      new Option(
        '--fail-on <SEVERITY>',
        'exit with 5 for a finding of this severity or worse, also if something could not be checked; with --baseline, only for a new finding',
      ).choices(SEVERITIES),
    )
    .option('--prices <FILE>', 'prices for the cost in the report, as `keyturn cost --refresh` writes them')
    .option(
      '--journal <FILE>',
      'keep the gathered facts in this file (default: a temporary file, removed when the report is written)',
    )
    .option('--resume <FILE>', 'go on with an audit that was interrupted, from its journal')
    .action(async (options: AuditOptions, command) =>
      run(command, async context => {
        const { runAuditCommand } = await import('../commands/audit.ts')
        const { gatherFacts: gather } = await import('./gather.ts')
        return runAuditCommand(context, options, {
          gatherFacts: gather,
          renderPage: async report => (await import('../../fleet/audit/page/page.ts')).renderPage(report),
        })
      }),
    )
}
