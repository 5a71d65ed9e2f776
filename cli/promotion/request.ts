import { arnInRegion, regionIn } from '../../rotation/arn.ts'
import { givenUpTag } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credential.ts'
import { usageError } from '../exit.ts'
import { mapInBatches } from '../mapInBatches.ts'
import { sanitize } from '../output.ts'
import { SecretCalls } from '../replicas/calls.ts'
import { peerRegionsOf, placeOf, type Stack } from '../stack.ts'

/** The options of `keyturn promote`, as the command line gave them. */
export type PromoteOptions = {
  from?: string
  planned?: true
  lost?: true
  dryRun?: true
  again?: true
  confirm?: string
}

/** The input of the promotion's state machine. `ids` are ARNs in the Region of the stack; without them all are promoted. */
export type PromotionInput = {
  from?: string
  planned?: true
  lost?: true
  dryRun?: true
  again?: true
  ids?: string[]
}

/** Checks the options of `promote`. @throws CommandError if --from is missing, or if the options contradict each other */
export function refuseContradictions({ from, planned, lost, dryRun, confirm }: PromoteOptions): void {
  if (!from && !dryRun)
    throw usageError(
      '--from was not given',
      'Name the Region that was lost, or is to be left: --from REGION. Without it there is only --dry-run.',
    )
  if (planned && lost)
    throw usageError(
      '--planned and --lost were given',
      '--planned loses nothing, and needs the other Region; --lost does without it.',
    )
  if (dryRun && (planned || lost))
    throw usageError(
      `--dry-run was given, and ${planned ? '--planned' : '--lost'} too`,
      'A dry run is the same for both: leave that out.',
    )
  if (confirm !== undefined && (dryRun || confirm !== from))
    throw usageError(
      dryRun
        ? '--confirm was given, and a dry run asks nothing'
        : `--confirm says ${sanitize(confirm)}, and --from ${from}: nothing was changed`,
      'It takes the name of the Region that --from names.',
    )
}

/** The input for the state machine, and those of the named secrets that were promoted before, which `input.ids` leaves out. */
export type PromotionRequest = { input: PromotionInput; promotedBefore: FoundSecret[] }

/** How many secrets the user may name in one command. */
const MAX_SECRET_COUNT = 200

/** Looks up the secrets that the user named, and makes the input. @throws CommandError if the Region or an id is not valid */
export async function makeRequest(
  context: Context,
  stack: Stack,
  givenIds: string[],
  { from, planned, lost, dryRun, again }: PromoteOptions,
): Promise<PromotionRequest> {
  if (from) requirePeerRegion(stack, from)
  if (givenIds.length > MAX_SECRET_COUNT)
    throw usageError(
      `${givenIds.length} IDs were given`,
      `Name ${MAX_SECRET_COUNT} at most, or none to promote all.`,
    )
  const calls = await SecretCalls.of(context)
  const found = await mapInBatches([...new Set(givenIds)], id => findSecretHere(calls, stack, id, from))
  const distinct = [...new Map(found.map(one => [one.arn, one])).values()]
  const promotedBefore = dryRun ? [] : distinct.filter(({ tags }) => from && givenUpTag(from) in tags)
  const ids = distinct.filter(one => !promotedBefore.includes(one)).map(({ arn }) => arn)
  const input = {
    ...(from && { from }),
    ...(planned && { planned }),
    ...(lost && { lost }),
    ...(dryRun && { dryRun }),
    ...(again && { again }),
    ...(ids.length && { ids }),
  }
  return { input, promotedBefore }
}

/** Checks the Region of --from. @throws CommandError if it is the stack's own Region, or none of its peers */
function requirePeerRegion(stack: Stack, from: string): void {
  const here = placeOf(stack).region
  if (from === here)
    throw usageError(
      `--from names ${here}, where the stack ${sanitize(stack.name)} is`,
      'Run this command for the Region that takes over: name that with --region.',
    )
  const peers = peerRegionsOf(stack)
  if (peers && !peers.includes(from))
    throw usageError(
      `--from names ${from}, and the stack ${sanitize(stack.name)} has ${peers.join(', ') || 'no Region'} as its peers`,
      'Check the spelling. If the Region is right, deploy the stack with that Region in peerRegions.',
    )
}

/**
 * The secret in this Region that an id names: by its name, or by its ARN here or in the Region `from`. It is a replica, or a
 * secret of its own: one that was promoted, or whose promotion is half done.
 * @throws CommandError if there is none, or if it is a replica of another Region than `from`
 */
async function findSecretHere(
  calls: SecretCalls,
  stack: Stack,
  id: string,
  from: string | undefined,
): Promise<FoundSecret> {
  const { region: here, account } = placeOf(stack)
  const found = await calls.find(nameIn(stack, id, from)).catch(error => {
    if (error.name !== 'ResourceNotFoundException') throw error
    throw usageError(
      `there is no secret ${sanitize(id)} in the account ${account}, ${here}`,
      'Check the spelling, --profile and --region. A secret without a replica here cannot be promoted.',
    )
  })
  const { PrimaryRegion: primary = here } = found.secret
  if (from && primary !== here && primary !== from)
    throw usageError(
      `${sanitize(id)} is a replica of ${sanitize(primary)}, and --from says ${from}`,
      'Leave it out, or name its Region.',
    )
  return found
}

/** The name, or the ARN in this Region, of the secret that an id names. @throws CommandError */
function nameIn(stack: Stack, id: string, from: string | undefined): string {
  const { region: here, account } = placeOf(stack)
  const isParameter = /^(parameter:|arn:[^:]*:ssm:)/.test(id)
  if (isParameter) throw usageError(`${sanitize(id)} is a parameter, which has no replicas`, 'Name a secret.')
  if (!id.startsWith('arn:')) return id.replace(/^secret:/, '')
  const region = regionIn(id)
  if (region !== here && region !== from)
    throw usageError(
      `${sanitize(id)} is in the Region ${sanitize(region ?? '')}, and this is about ${[from, here].filter(Boolean).join(' and ')}`,
      'Name the secret by its name, or by its ARN in one of these.',
    )
  if (id.split(':')[4] !== account)
    throw usageError(
      `${sanitize(id)} is in another account than the stack, ${account}`,
      '--profile says which that is.',
    )
  return arnInRegion(id, here)
}
