import { latestSuccess } from '../../fleet/records/rotationRecord.ts'
import { RotationError } from '../../rotation/errors.ts'
import { HOME_TAG } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credential.ts'
import { CommandError, EXIT, type ExitCode } from '../exit.ts'
import { mapInBatches } from '../mapInBatches.ts'
import { formatTime, sanitize } from '../output.ts'
import { SecretCalls } from '../replicas/calls.ts'
import { findCopies, isCopyWell, type SecretCopy } from '../replicas/copies.ts'
import { findSecrets } from '../replicas/findSecrets.ts'
import { setHomeCommand } from '../replicas/replicaAction.ts'
import {
  asksForReadiness,
  choiceOf,
  parseRequest,
  type ReplicasOptions,
  type SecretChoice,
} from '../replicas/request.ts'
import { chooseStack, placeOf, type Stack } from '../stack.ts'

/**
 * Runs `replicas`: lists the replicas of each secret, and asks each Region whether its replica has the current version. With
 * --ready it shows the last rehearsals of a promotion, and with an action such as --add it changes replicas. No value is read.
 */
export async function runReplicasCommand(
  context: Context,
  id: string | undefined,
  options: ReplicasOptions,
): Promise<ExitCode> {
  const wantsReadiness = asksForReadiness(options)
  const request = parseRequest(id, options)
  const stack = await chooseStack(context)
  if (wantsReadiness) {
    const { showReadiness } = await import('../promotion/readiness.ts')
    return showReadiness(context, stack, id)
  }
  if (!request) return listCopies(context, stack, choiceOf(id, options))
  const { runReplicaAction } = await import('../replicas/runReplicaAction.ts')
  return runReplicaAction(context, stack, request)
}

async function listCopies(
  context: Context,
  stack: Stack,
  chosen: SecretChoice | undefined,
): Promise<ExitCode> {
  const { output, json } = context
  const secrets = chosen ? await findSecrets(context, stack, chosen) : await findKnownSecrets(context, stack)
  const copies = await mapInBatches(secrets, ({ secret }) => findCopies(context, secret))
  const all = (await mapInBatches(copies, found => withBehindSince(context, stack, found))).flat()
  if (json) output.json({ replicas: all })
  else if (all.length) printCopies(context, stack, all)
  else if (!chosen) output.line('No secret that this stack rotates or may rotate has replicas.')
  else if ('id' in chosen) output.line('The secret has no replicas.')
  else output.line(secrets.length ? 'No such secret has replicas.' : 'There is no such secret.')
  return all.every(copy => isCopyWell(copy, placeOf(stack).region)) ? EXIT.done : EXIT.findings
}

/** The secrets that this stack rotates or may rotate. */
async function findKnownSecrets(context: Context, stack: Stack): Promise<FoundSecret[]> {
  const { findKnownSecretArns } = await import('../standing/gather.ts')
  const calls = await SecretCalls.of(context)
  return mapInBatches(await findKnownSecretArns(context, stack), arn => calls.find(arn))
}

/**
 * Adds `behindSince` to the copies of one secret that do not have its current version, or whose Region cannot be asked: the time
 * at which the last rotation noticed that a copy was behind. It is the same for all of them, and missing if no rotation noticed
 * that.
 */
async function withBehindSince(context: Context, stack: Stack, copies: SecretCopy[]): Promise<SecretCopy[]> {
  const isLate = ({ state }: SecretCopy) => state === 'behind' || state === 'unseen'
  const lateCopy = copies.find(isLate)
  const behindSince = lateCopy && (await findBehindSince(context, stack, lateCopy))
  return copies.map(copy => (behindSince && isLate(copy) ? { ...copy, behindSince } : copy))
}

/** `behindSince` in the record of the last successful rotation. Undefined as well if the table of rotations cannot be read. */
async function findBehindSince(
  context: Context,
  stack: Stack,
  { arn, secret }: SecretCopy,
): Promise<string | undefined> {
  const { RECENT_RECORD_COUNT, recordTableOf } = await import('../recordTable.ts')
  try {
    const records = await (await recordTableOf(context, stack)).listRotations(
      'secrets-manager',
      arn,
      secret,
      RECENT_RECORD_COUNT,
    )
    return latestSuccess(records)?.behindSince
  } catch (error) {
    if (error instanceof CommandError || error instanceof RotationError) return undefined
    throw error
  }
}

/** Prints the copies of each secret, then the secret's home Region. */
function printCopies({ output }: Context, stack: Stack, all: SecretCopy[]): void {
  for (const [secret, copies] of Map.groupBy(all, copy => copy.secret)) {
    for (const copy of copies) printCopy(output, copy)
    output.line(homeText(output, stack, secret, copies[0]?.home), 2)
  }
}

function homeText(
  output: Context['output'],
  stack: Stack,
  secret: string,
  home: string | null | undefined,
): string {
  const id = `secret:${sanitize(secret)}`
  const { region } = placeOf(stack)
  if (!home)
    return `${output.styled('red', 'no home')}  ${id} has replicas and no tag ${HOME_TAG}=${region}: a replica that is promoted would be rotated there too. keyturn replicas --add sets the tag, also for a Region that has a replica.`
  if (home === region) return `${id} has its home in ${region}`
  return `${output.styled('red', 'not home')}  ${id} has replicas, and its tag ${HOME_TAG} names ${sanitize(home)}: so it does not rotate here. If that is wrong: ${setHomeCommand(secret, region)}`
}

function printCopy(output: Context['output'], copy: SecretCopy): void {
  const { secret, region, state, status, why, lastRead, givenUp, behindSince } = copy
  const mark = output.styled(state === 'follows' ? 'green' : 'red', state)
  output.line(`${mark}  secret:${sanitize(secret)} in ${sanitize(region)}`, 2)
  const more = [
    sanitize(status),
    lastRead ? `last read there ${lastRead}` : 'not read there yet',
    why && sanitize(why),
    behindSince && `behind since ${formatTime(new Date(behindSince))}`,
    givenUp && `given up ${sanitize(givenUp)}`,
    state === 'alone' &&
      'what has this name there is no replica of it: a secret of its own, as after a promotion, or a replica of another',
  ]
  output.line(`  ${more.filter(Boolean).join(', ')}`, 4)
}
