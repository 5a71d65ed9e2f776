import { InvalidArgumentError, Option } from 'commander'
import { keys, networks, tiers } from '../../fleet/cost/change.ts'
import type { CostCommandOptions } from '../commands/cost.ts'
import { type Making, seconds } from '../looks.ts'

/** The command that says what a fleet costs. */
export function addCost({ make, run }: Making): void {
  make('cost', 'What the credentials, their rotations and Keyturn cost a month, and what a change would do.')
    .addOption(
      new Option('--reads-per-day <NUMBER>', 'how often each credential is read').argParser(
        atMost(10_000_000),
      ),
    )
    .addOption(
      new Option('--reads <DURATION>', 'ask CloudTrail how often in that time instead, such as 7d')
        .argParser(seconds)
        .conflicts('readsPerDay'),
    )
    .addOption(
      new Option('--reads-budget <DURATION>', 'how long to ask it in each Region')
        .argParser(seconds)
        .default(300, '5m'),
    )
    .addOption(
      new Option('--network <KIND>', 'how functions in a VPC reach AWS, in the bill').choices(networks),
    )
    .addOption(
      new Option('--zones <NUMBER>', 'availability zones of that network').argParser(whole(1, 10)).default(2),
    )
    .addOption(
      new Option('--throughput <KIND>', 'how Parameter Store is set')
        .choices(['standard', 'higher'])
        .default('standard'),
    )
    .option('--team-tag <KEY>', 'the tag that names a team; otherwise team or owner')
    .addOption(
      new Option('--against <STORE>', 'a change: all of them in this store').choices([
        'parameter-store',
        'secrets-manager',
      ]),
    )
    .addOption(new Option('--interval <DURATION>', 'a change: rotate so often, such as 90d').argParser(days))
    .addOption(new Option('--replicas <NUMBER>', 'a change: so many of each secret').argParser(whole(0, 30)))
    .addOption(new Option('--tier <TIER>', 'a change: all parameters of this tier').choices(tiers))
    .addOption(new Option('--key <WHOSE>', 'a change: whose KMS key encrypts all of them').choices(keys))
    .addOption(
      new Option('--network-instead <KIND>', 'a change: this network in place of that one').choices(networks),
    )
    .option('--without-unread', 'a change: what nobody reads is gone')
    .option('--free-tier', 'show what AWS gives each account for free, apart')
    .option('--trial', 'show a trial of Secrets Manager, apart')
    .addOption(
      new Option('--credits <USD>', 'show credits of so much a month, apart').argParser(atMost(1_000_000)),
    )
    .option('--prices <FILE>', 'prices of your own, or as --refresh wrote them')
    .option('--refresh', "read the prices from AWS's Price List into the file of --prices first")
    .option('--csv <FILE>', 'write it as a table too')
    .action(async (options: CostCommandOptions, command) =>
      run(command, async context => {
        const { cost } = await import('../commands/cost.ts')
        return cost(context, options)
      }),
    )
}

const atMost = (most: number) => (text: string) => {
  const number = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text) || number > most)
    throw new InvalidArgumentError(`It should be a number from 0 to ${most}.`)
  return number
}

const whole = (least: number, most: number) => (text: string) => {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < least || number > most)
    throw new InvalidArgumentError(`It should be a whole number from ${least} to ${most}.`)
  return number
}

/** A duration in days. */
function days(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,5})([hd])$/.exec(text) ?? []
  const asDays = Number(number) / { h: 24, d: 1 }[unit as 'h' | 'd']
  if (!(asDays >= 1 / 6 && asDays <= 1000))
    throw new InvalidArgumentError('It should be a whole number with h or d, such as 90d; from 4h to 1000d.')
  return asDays
}
