import { InvalidArgumentError } from 'commander'
import { HOUR_SECONDS } from '../../rotation/timeUnits.ts'
import { type CommandMaker, ID_TEXT } from '../commandMaker.ts'
import { collectTag, parseRegion, secondsIn } from '../optionParsers.ts'
import type { ReplicasOptions } from './request.ts'

/** Adds `keyturn replicas`. */
export function addReplicasCommand({ make, run }: CommandMaker): void {
  make(
    'replicas',
    'List the replicas of secrets, and whether they have the current version; add, remove, repair or give one up.',
  )
    .argument('[ID]', ID_TEXT)
    .option('--add <REGION>', "replicate to this Region, and set the secret's home tag", parseRegion)
    .option('--key <KEY>', 'with --add: the KMS key there (default: aws/secretsmanager)')
    .option('--remove <REGION>', 'delete the replica in this Region, at once', parseRegion)
    .option(
      '--repair <REGION>',
      'replicate again to this Region; if that does not help, delete the replica and make a new one',
      parseRegion,
    )
    .option('--give-up <REGION>', 'let rotations go on without this Region', parseRegion)
    .option('--ready', 'show what the last rehearsals of a promotion found here')
    .option('--reason <TEXT>', 'with --give-up: why, as a note for later')
    .option('--tag <KEY=VALUE>', 'the secrets with this tag; may be repeated', collectTag)
    .option('--prefix <TEXT>', 'the secrets whose names begin with this text')
    .option('--confirm <REGION>', 'confirm every question, for scripts')
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

function parseWaitMs(text: string): number {
  const seconds = secondsIn(text, /^(\d{1,4})([sm])$/)
  if (!(seconds >= 0 && seconds <= HOUR_SECONDS))
    throw new InvalidArgumentError('It should be a whole number with s or m, such as 90s; 60m at most.')
  return seconds * 1000
}
