import { InvalidArgumentError } from 'commander'
import { type CommandMaker, collectTag, ID_TEXT } from '../commandMaker.ts'
import type { ReplicasOptions } from './request.ts'

/** `keyturn replicas`, with what it does about them. */
export function addReplicasCommand({ make, run }: CommandMaker): void {
  make(
    'replicas',
    'Which secret has copies in other Regions, and whether they have its current version; adds, removes, repairs or gives one up.',
  )
    .argument('[ID]', ID_TEXT)
    .option('--add <REGION>', 'replicate to this Region, and tag the secret as at home here', parseRegion)
    .option('--key <KEY>', "with --add: the key there, unless it is to be the service's own")
    .option('--remove <REGION>', 'delete the replica in this Region, at once', parseRegion)
    .option(
      '--repair <REGION>',
      'replicate anew to this Region; if that does not help, remove and add',
      parseRegion,
    )
    .option('--give-up <REGION>', 'have rotations go on without this Region', parseRegion)
    .option('--ready', 'what the last rehearsal of a promotion found here')
    .option('--reason <TEXT>', 'with --give-up: why, for whoever looks later')
    .option('--tag <KEY=VALUE>', 'those with this tag; may be repeated', collectTag)
    .option('--prefix <TEXT>', 'those whose name begins so')
    .option('--confirm <REGION>', 'the answer to every question, where nobody can type it')
    .option(
      '--wait <DURATION>',
      'how long to wait for a replica, such as 90s or 10m (default: 5m)',
      parseWaitMs,
    )
    .action(async (id: string | undefined, options: ReplicasOptions, command) =>
      run(command, async context => {
        const { runReplicasCommand } = await import('../commands/replicas.ts')
        return runReplicasCommand(context, id, options)
      }),
    )
}

/** A Region, as an option takes it. */
export function parseRegion(text: string): string {
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(text))
    throw new InvalidArgumentError('It should be a Region, such as eu-central-1.')
  return text
}

function parseWaitMs(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,4})([sm])$/.exec(text) ?? []
  const duration = Number(number) * { s: 1000, m: 60_000 }[unit as 's' | 'm']
  if (!(duration >= 0 && duration <= 3_600_000))
    throw new InvalidArgumentError('It should be a whole number with s or m, such as 90s; 60m at most.')
  return duration
}
