import { type Command, InvalidArgumentError, Option } from 'commander'
import { KEY_OWNERS, NETWORKS, PARAMETER_TIERS } from '../../fleet/cost/costChange.ts'
import { DAY_SECONDS, HOUR_SECONDS } from '../../rotation/timeUnits.ts'
import type { CommandMaker } from '../commandMaker.ts'
import type { CostCommandOptions } from '../commands/cost.ts'
import { parseSeconds, secondsIn } from '../optionParsers.ts'

/** Adds `keyturn cost`. */
export function addCostCommand({ make, run }: CommandMaker): void {
  const command = make(
    'cost',
    'What the credentials, their rotations and Keyturn cost a month, and what a change would do.',
  )
  addUsageOptions(command)
  addChangeOptions(command)
  command
    .option('--free-tier', "show AWS's free tier separately")
    .option('--trial', 'show the free trial of Secrets Manager separately')
    .addOption(
      new Option('--credits <USD>', 'show AWS credits of this much a month separately').argParser(
        parseNumberUpTo(1_000_000),
      ),
    )
    .option('--prices <FILE>', 'prices of your own, or as --refresh wrote them')
    .option('--refresh', "read the prices from AWS's Price List into the file of --prices first")
    .option('--csv <FILE>', 'also write the bill as a CSV table')
    .action(async (options: CostCommandOptions, command) =>
      run(command, async context => {
        const { runCostCommand } = await import('../commands/cost.ts')
        return runCostCommand(context, options)
      }),
    )
}

/** Adds the options about how the credentials are used. */
function addUsageOptions(command: Command): void {
  command
    .addOption(
      new Option('--reads-per-day <NUMBER>', 'how often each credential is read').argParser(
        parseNumberUpTo(10_000_000),
      ),
    )
    .addOption(
      new Option('--reads <DURATION>', 'instead ask CloudTrail how often in this time, such as 7d')
        .argParser(parseSeconds)
        .conflicts('readsPerDay'),
    )
    .addOption(
      new Option('--reads-budget <DURATION>', 'how long to ask CloudTrail in each Region')
        .argParser(parseSeconds)
        .default(300, '5m'),
    )
    .addOption(new Option('--network <KIND>', 'include how functions in a VPC reach AWS').choices(NETWORKS))
    .addOption(
      new Option('--zones <NUMBER>', 'availability zones of that network')
        .argParser(parseWholeNumber(1, 10))
        .default(2),
    )
    .addOption(
      new Option('--throughput <KIND>', 'the throughput setting of Parameter Store')
        .choices(['standard', 'higher'])
        .default('standard'),
    )
    .option('--team-tag <KEY>', 'the tag that names a team (default: team or owner)')
}

/** Adds the options that ask what the bill would be after a change. */
function addChangeOptions(command: Command): void {
  command
    .addOption(
      new Option('--against <STORE>', 'a change: all credentials in this store').choices([
        'parameter-store',
        'secrets-manager',
      ]),
    )
    .addOption(
      new Option('--interval <DURATION>', 'a change: rotate this often, such as 90d').argParser(parseDays),
    )
    .addOption(
      new Option('--replicas <NUMBER>', 'a change: this many replicas of each secret').argParser(
        parseWholeNumber(0, 30),
      ),
    )
    .addOption(new Option('--tier <TIER>', 'a change: all parameters of this tier').choices(PARAMETER_TIERS))
    .addOption(
      new Option('--key <WHOSE>', 'a change: whose KMS key encrypts the credentials').choices(KEY_OWNERS),
    )
    .addOption(
      new Option('--network-instead <KIND>', 'a change: this network instead of that of --network').choices(
        NETWORKS,
      ),
    )
    .option('--without-unread', 'a change: without the credentials that nobody reads')
}

const parseNumberUpTo = (maximum: number) => (text: string) => {
  const number = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text) || number > maximum)
    throw new InvalidArgumentError(`It should be a number from 0 to ${maximum}.`)
  return number
}

const parseWholeNumber = (minimum: number, maximum: number) => (text: string) => {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < minimum || number > maximum)
    throw new InvalidArgumentError(`It should be a whole number from ${minimum} to ${maximum}.`)
  return number
}

/** Parses a duration such as 90d or 12h. @returns days. @throws InvalidArgumentError */
function parseDays(text: string): number {
  const seconds = secondsIn(text, /^(\d{1,5})([hd])$/)
  if (!(seconds >= 4 * HOUR_SECONDS && seconds <= 1000 * DAY_SECONDS))
    throw new InvalidArgumentError('It should be a whole number with h or d, such as 90d; from 4h to 1000d.')
  return seconds / DAY_SECONDS
}
