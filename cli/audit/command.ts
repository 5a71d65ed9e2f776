import { Option } from 'commander'
import { SEVERITIES } from '../../fleet/audit/report.ts'
import { type CommandMaker, parseCount, parseSeconds } from '../commandMaker.ts'
import type { AuditOptions } from '../commands/audit.ts'
import { parseRegion } from '../replicas/command.ts'

const DAY_SECONDS = 86_400

/** The command that audits the whole fleet. */
export function addAuditCommand({ make, run }: CommandMaker): void {
  make('audit', 'Whether every credential turns as its policy says; what is stuck, open, stale or unread.')
    .option('--policy <FILE>', 'the policy in YAML (default: values 90 days old at most; see docs/audit.md)')
    .option(
      '--regions <REGION>',
      'a Region to look at as well, beside those of the stack and its peers; may be repeated',
      (text: string, before: string[] = []) => [...before, parseRegion(text)],
    )
    .addOption(
      new Option('--reads <DURATION>', 'how far back CloudTrail is asked who reads, such as 7d; 90d at most')
        .argParser(parseSeconds)
        .default(7 * DAY_SECONDS, '7d'),
    )
    .option('--no-reads', 'do not ask CloudTrail')
    .addOption(
      new Option('--reads-budget <DURATION>', 'how long that may take in a Region')
        .argParser(parseSeconds)
        .default(300, '5m'),
    )
    .option('--html <FILE>', 'write the report as one page, which opens offline')
    .option('--csv <FILE>', 'write the findings as a table')
    .option('--most <NUMBER>', 'so many findings of each rule at most, on the terminal', parseCount, 5)
    .option('--baseline <FILE>', 'an earlier report of --json: tell what is new and what is gone')
    .addOption(
      new Option(
        '--fail-on <SEVERITY>',
        'end with 5 for a finding so severe or worse, also for what could not be looked at; with --baseline, only for a new one',
      ).choices(SEVERITIES),
    )
    .option('--prices <FILE>', 'prices for what it costs, as `keyturn cost --refresh` writes them')
    .option(
      '--journal <FILE>',
      'where to keep what was gathered, which stays there (default: a private file, removed when the report is written)',
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
