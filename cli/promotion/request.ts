import { inRegion, regionIn } from '../../rotation/arn.ts'
import { givenUpTag } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credentialId.ts'
import { CommandError, exit } from '../exit.ts'
import { inLots } from '../lots.ts'
import { plain } from '../output.ts'
import { Calls } from '../replicas/calls.ts'
import { peersOf, placeOf, type Stack } from '../stack.ts'

/** The options of `keyturn promote`, as they are given. */
export type PromoteOptions = {
  from?: string
  planned?: true
  lost?: true
  dryRun?: true
  again?: true
  confirm?: string
}

/** What the state machine takes. `ids` are ARNs in the Region of the stack. */
export type Input = {
  from?: string
  planned?: true
  lost?: true
  dryRun?: true
  again?: true
  ids?: string[]
}

/** @throws CommandError if the options do not fit together */
export function refuseContradictions({ from, planned, lost, dryRun, confirm }: PromoteOptions): void {
  if (!from && !dryRun)
    throw wrong(
      '--from was not given',
      'Name the Region that was lost, or is to be left: --from REGION. Without it there is only --dry-run.',
    )
  if (planned && lost)
    throw wrong(
      '--planned and --lost were given',
      '--planned loses nothing, and needs the other Region; --lost does without it.',
    )
  if (dryRun && (planned || lost))
    throw wrong(
      `--dry-run was given, and ${planned ? '--planned' : '--lost'} too`,
      'A dry run is the same for both: leave that out.',
    )
  if (confirm !== undefined && (dryRun || confirm !== from))
    throw wrong(
      dryRun
        ? '--confirm was given, and a dry run asks nothing'
        : `--confirm says ${plain(confirm)}, and --from ${from}: nothing was changed`,
      'It takes the name of the Region that --from names.',
    )
}

/** What the state machine is told, and which of the secrets that were named are promoted already. */
export type Request = { input: Input; done: FoundSecret[] }

/** As many secrets may be named. */
const MOST = 200

/** @throws CommandError for a Region or an id that cannot be meant */
export async function requestOf(
  context: Context,
  stack: Stack,
  given: string[],
  { from, planned, lost, dryRun, again }: PromoteOptions,
): Promise<Request> {
  if (from) refuseRegion(stack, from)
  if (given.length > MOST)
    throw wrong(`${given.length} IDs were given`, `Name ${MOST} at most, or none: then it is all.`)
  const calls = await Calls.of(context)
  const found = await inLots([...new Set(given)], id => secretHere(calls, stack, id, from))
  const each = [...new Map(found.map(one => [one.arn, one])).values()]
  const done = dryRun ? [] : each.filter(({ tags }) => from && givenUpTag(from) in tags)
  const ids = each.filter(one => !done.includes(one)).map(({ arn }) => arn)
  const input = {
    ...(from && { from }),
    ...(planned && { planned }),
    ...(lost && { lost }),
    ...(dryRun && { dryRun }),
    ...(again && { again }),
    ...(ids.length && { ids }),
  }
  return { input, done }
}

function refuseRegion(stack: Stack, from: string): void {
  const here = placeOf(stack).region
  if (from === here)
    throw wrong(
      `--from names ${here}, where the stack ${plain(stack.name)} is`,
      'Call it in the Region that takes over: --region says which that is.',
    )
  const peers = peersOf(stack)
  if (peers && !peers.includes(from))
    throw wrong(
      `--from names ${from}, and the stack ${plain(stack.name)} has ${peers.join(', ') || 'no Region'} as its peers`,
      'See the spelling. If it is meant: deploy the stack with that Region in peerRegions.',
    )
}

/**
 * The secret in this Region that an id names: by its name, or by its ARN here or in the other Region. One that stands on its
 * own may be half promoted.
 */
async function secretHere(
  calls: Calls,
  stack: Stack,
  id: string,
  from: string | undefined,
): Promise<FoundSecret> {
  const { region: here, account } = placeOf(stack)
  const found = await calls.find(nameIn(stack, id, from)).catch(error => {
    if (error.name !== 'ResourceNotFoundException') throw error
    throw wrong(
      `there is no secret ${plain(id)} in the account ${account}, ${here}`,
      'See the spelling, --profile and --region. What has no replica here cannot be promoted.',
    )
  })
  const { PrimaryRegion: primary = here } = found.secret
  if (from && primary !== here && primary !== from)
    throw wrong(
      `${plain(id)} is a replica of ${plain(primary)}, and --from says ${from}`,
      'Leave it out, or name its Region.',
    )
  return found
}

function nameIn(stack: Stack, id: string, from: string | undefined): string {
  const { region: here, account } = placeOf(stack)
  const isParameter = /^(parameter:|arn:[^:]*:ssm:)/.test(id)
  if (isParameter) throw wrong(`${plain(id)} is a parameter, which has no replicas`, 'Name a secret.')
  if (!id.startsWith('arn:')) return id.replace(/^secret:/, '')
  const region = regionIn(id)
  if (region !== here && region !== from)
    throw wrong(
      `${plain(id)} is in the Region ${plain(region ?? '')}, and this is about ${[from, here].filter(Boolean).join(' and ')}`,
      'Name the secret by its name, or by its ARN in one of these.',
    )
  if (id.split(':')[4] !== account)
    throw wrong(
      `${plain(id)} is in another account than the stack, ${account}`,
      '--profile says which that is.',
    )
  return inRegion(id, here)
}

const wrong = (message: string, remedy: string) => new CommandError(exit.usage, message, remedy)
