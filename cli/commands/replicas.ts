import { latestGood } from '../../fleet/records/record.ts'
import { RotationError } from '../../rotation/errors.ts'
import { HOME } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credentialId.ts'
import { CommandError, type ExitCode, exit } from '../exit.ts'
import { inLots } from '../lots.ts'
import { moment, plain } from '../output.ts'
import { Calls } from '../replicas/calls.ts'
import { secretsOf } from '../replicas/chosen.ts'
import { type Copy, copiesOf, isWell } from '../replicas/copies.ts'
import { asksReady, type Chosen, chosenBy, type ReplicasOptions, requestOf } from '../replicas/request.ts'
import { setHome } from '../replicas/work.ts'
import { placeOf, type Stack, stackOf } from '../stack.ts'

/**
 * Which secret is where, and whether it has the current version there: each Region is asked itself. Or what the options ask
 * to be done about that. No value is read.
 */
export async function replicas(
  context: Context,
  id: string | undefined,
  options: ReplicasOptions,
): Promise<ExitCode> {
  const looks = asksReady(options)
  const request = requestOf(id, options)
  const stack = await stackOf(context)
  if (looks) {
    const { ready } = await import('../promotion/ready.ts')
    return ready(context, stack, id)
  }
  if (!request) return list(context, stack, chosenBy(id, options))
  const { act } = await import('../replicas/act.ts')
  return act(context, stack, request)
}

async function list(context: Context, stack: Stack, chosen: Chosen | undefined): Promise<ExitCode> {
  const { output, json } = context
  const secrets = chosen ? await secretsOf(context, stack, chosen) : await secretsKnown(context, stack)
  const copies = await inLots(secrets, ({ secret }) => copiesOf(context, secret))
  const all = (await inLots(copies, found => withSince(context, stack, found))).flat()
  if (json) output.json({ replicas: all })
  else if (all.length) show(context, stack, all)
  else if (!chosen) output.line('No secret that this stack rotates or may rotate has replicas.')
  else if ('id' in chosen) output.line('It has no replicas.')
  else output.line(secrets.length ? 'No such secret has replicas.' : 'There is no such secret.')
  return all.every(copy => isWell(copy, placeOf(stack).region)) ? exit.done : exit.findings
}

async function secretsKnown(context: Context, stack: Stack): Promise<FoundSecret[]> {
  const { knownSecrets } = await import('../standing/gather.ts')
  const calls = await Calls.of(context)
  return inLots(await knownSecrets(context, stack), arn => calls.find(arn))
}

/**
 * The same, with the time since when a rotation knows that they do not have its value, from the table of rotations. A copy that
 * follows by now, or that no rotation has waited for, has none.
 */
async function withSince(context: Context, stack: Stack, copies: Copy[]): Promise<Copy[]> {
  const isLate = ({ state }: Copy) => state === 'behind' || state === 'unseen'
  const late = copies.find(isLate)
  const behindSince = late && (await behindSinceOf(context, stack, late))
  return copies.map(copy => (behindSince && isLate(copy) ? { ...copy, behindSince } : copy))
}

/** Undefined as well where the caller may not read the table, or the stack is older than it. */
async function behindSinceOf(
  context: Context,
  stack: Stack,
  { arn, secret }: Copy,
): Promise<string | undefined> {
  const { RECORDS, recordsOf } = await import('../records.ts')
  try {
    const records = await (await recordsOf(context, stack)).of('secrets-manager', arn, secret, RECORDS)
    return latestGood(records)?.behindSince
  } catch (error) {
    if (error instanceof CommandError || error instanceof RotationError) return undefined
    throw error
  }
}

/** The copies of each secret, and after them where it is at home. */
function show({ output }: Context, stack: Stack, all: Copy[]): void {
  for (const [secret, copies] of Map.groupBy(all, copy => copy.secret)) {
    for (const copy of copies) showCopy(output, copy)
    output.line(homeSays(output, stack, secret, copies[0]?.home), 2)
  }
}

function homeSays(
  output: Context['output'],
  stack: Stack,
  secret: string,
  home: string | null | undefined,
): string {
  const id = `secret:${plain(secret)}`
  const { region } = placeOf(stack)
  if (!home)
    return `${output.styled('red', 'no home')}  ${id} has replicas and no tag ${HOME}=${region}: one that is promoted would be rotated there too. keyturn replicas --add sets it, also for a Region that has a replica.`
  if (home === region) return `${id} is at home in ${region}`
  return `${output.styled('red', 'not home')}  ${id} has replicas, and its tag ${HOME} says ${plain(home)}: so it does not rotate here. If that is wrong: ${setHome(secret, region)}`
}

function showCopy(output: Context['output'], copy: Copy): void {
  const { secret, region, state, status, why, lastRead, givenUp, behindSince } = copy
  const mark = output.styled(state === 'follows' ? 'green' : 'red', state)
  output.line(`${mark}  secret:${plain(secret)} in ${plain(region)}`, 2)
  const more = [
    plain(status),
    lastRead ? `last read there ${lastRead}` : 'not read there yet',
    why && plain(why),
    behindSince && `behind since ${moment(new Date(behindSince))}`,
    givenUp && `given up ${plain(givenUp)}`,
    state === 'alone' && 'a secret of its own has this name there, as after a promotion',
  ]
  output.line(`  ${more.filter(Boolean).join(', ')}`, 4)
}
