import { type Command, InvalidArgumentError, Option } from 'commander'
import { KEY_OWNERS, NETWORKS, PARAMETER_TIERS } from '../../fleet/cost/costChange.ts'
import { type CommandMaker, parseSeconds } from '../commandMaker.ts'
import type { CostCommandOptions } from '../commands/cost.ts'

/** The command that says what a fleet costs. */
export function addCostCommand({ make, run }: CommandMaker): void {
  const command = make(
    'cost',
    'What the credentials, their rotations and Keyturn cost a month, and what a change would do.',
  )
  addUsageOptions(command)
  addChangeOptions(command)
  command
    .option('--free-tier', 'show what AWS gives each account for free, apart')
    .option('--trial', 'show a trial of Secrets Manager, apart')
    .addOption(
      new Option('--credits <USD>', 'show credits of so much a month, apart').argParser(
        parseNumberUpTo(1_000_000),
      ),
    )
    .option('--prices <FILE>', 'prices of your own, or as --refresh wrote them')
    .option('--refresh', "read the prices from AWS's Price List into the file of --prices first")
    .option('--csv <FILE>', 'write it as a table too')
    .action(async (options: CostCommandOptions, command) =>
      run(command, async context => {
        const { runCostCommand } = await import('../commands/cost.ts')
        return runCostCommand(context, options)
      }),
    )
}

/** The options that say how the credentials are used. */
function addUsageOptions(command: Command): void {
  command
    .addOption(
      new Option('--reads-per-day <NUMBER>', 'how often each credential is read').argParser(
        parseNumberUpTo(10_000_000),
      ),
    )
    .addOption(
      new Option('--reads <DURATION>', 'ask CloudTrail how often in that time instead, such as 7d')
        .argParser(parseSeconds)
        .conflicts('readsPerDay'),
    )
    .addOption(
      new Option('--reads-budget <DURATION>', 'how long to ask it in each Region')
        .argParser(parseSeconds)
        .default(300, '5m'),
    )
    .addOption(
      new Option('--network <KIND>', 'how functions in a VPC reach AWS, in the bill').choices(NETWORKS),
    )
    .addOption(
      new Option('--zones <NUMBER>', 'availability zones of that network')
        .argParser(parseWholeNumber(1, 10))
        .default(2),
    )
    .addOption(
      new Option('--throughput <KIND>', 'how Parameter Store is set')
        .choices(['standard', 'higher'])
        .default('standard'),
    )
    .option('--team-tag <KEY>', 'the tag that names a team; otherwise team or owner')
}

/** The options that say what to change in the bill. */
function addChangeOptions(command: Command): void {
  command
    .addOption(
      new Option('--against <STORE>', 'a change: all of them in this store').choices([
        'parameter-store',
        'secrets-manager',
      ]),
    )
    .addOption(
      new Option('--interval <DURATION>', 'a change: rotate so often, such as 90d').argParser(parseDays),
    )
    .addOption(
      new Option('--replicas <NUMBER>', 'a change: so many of each secret').argParser(
        parseWholeNumber(0, 30),
      ),
    )
    .addOption(new Option('--tier <TIER>', 'a change: all parameters of this tier').choices(PARAMETER_TIERS))
    .addOption(
      new Option('--key <WHOSE>', 'a change: whose KMS key encrypts all of them').choices(KEY_OWNERS),
    )
    .addOption(
      new Option('--network-instead <KIND>', 'a change: this network in place of that one').choices(NETWORKS),
    )
    .option('--without-unread', 'a change: what nobody reads is gone')
}

const parseNumberUpTo = (most: number) => (text: string) => {
  const number = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text) || number > most)
    throw new InvalidArgumentError(`It should be a number from 0 to ${most}.`)
  return number
}

const parseWholeNumber = (least: number, most: number) => (text: string) => {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < least || number > most)
    throw new InvalidArgumentError(`It should be a whole number from ${least} to ${most}.`)
  return number
}

/** A duration in days. */
function parseDays(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,5})([hd])$/.exec(text) ?? []
  const asDays = Number(number) / { h: 24, d: 1 }[unit as 'h' | 'd']
  if (!(asDays >= 1 / 6 && asDays <= 1000))
    throw new InvalidArgumentError('It should be a whole number with h or d, such as 90d; from 4h to 1000d.')
  return asDays
}
