import type { DescribeSecretResponse, ReplicationStatusType } from '@aws-sdk/client-secrets-manager'
import { currentIn } from '../../fleet/pending.ts'
import { inRegion } from '../../rotation/arn.ts'
import { explained } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { credentialOf } from '../credentialId.ts'
import { CommandError, type ExitCode, exit } from '../exit.ts'
import { inLots } from '../lots.ts'
import { plain } from '../output.ts'
import { type Stack, stackOf } from '../stack.ts'
import { knownSecrets } from '../standing/gather.ts'

/**
 * A copy of a secret. `follows`: it has the primary's current version. `behind`: another one. `empty`: there is no such secret
 * there. `unseen`: its Region could not be asked, and `why` says how.
 */
type Copy = {
  secret: string
  region: string
  state: 'follows' | 'behind' | 'empty' | 'unseen'
  /** What Secrets Manager says of it in the primary's Region. */
  status: string
  why?: string
  /** The version that applications there get. */
  version?: string
  /** The day on which it was last read there. */
  lastRead?: string
}

/** Which secret is where, and whether it has the current version there: each Region is asked itself. No value is read. */
export async function replicas(context: Context, id: string | undefined): Promise<ExitCode> {
  const { output, json } = context
  const stack = await stackOf(context)
  const copies = await copiesOf(context, stack, id)
  if (json) output.json({ replicas: copies })
  else if (!copies.length)
    output.line(id ? 'It has no replicas.' : 'No secret that this stack knows has replicas.')
  else for (const copy of copies) list(context, copy)
  return copies.every(({ state }) => state === 'follows') ? exit.done : exit.findings
}

async function copiesOf(context: Context, stack: Stack, id: string | undefined): Promise<Copy[]> {
  if (id !== undefined) {
    const found = await credentialOf(context, stack, id)
    if (found.store === 'parameter-store')
      throw new CommandError(
        exit.usage,
        `${plain(id)} is a parameter, which has no replicas`,
        'Name a secret.',
      )
    return copiesIn(context, found.secret)
  }
  const { DescribeSecretCommand } = await import('@aws-sdk/client-secrets-manager')
  const client = await context.clients.secrets()
  const arns = await knownSecrets(context, stack)
  const copies = await inLots(arns, async SecretId =>
    copiesIn(context, await client.send(new DescribeSecretCommand({ SecretId }))),
  )
  return copies.flat()
}

function copiesIn(context: Context, secret: DescribeSecretResponse): Promise<Copy[]> {
  const { ReplicationStatus = [] } = secret
  return Promise.all(ReplicationStatus.map(replica => copyIn(context, secret, replica)))
}

async function copyIn(
  { clients }: Context,
  { ARN = '', Name = '', VersionIdsToStages }: DescribeSecretResponse,
  { Region = '', Status = 'unknown' as never, StatusMessage, LastAccessedDate }: ReplicationStatusType,
): Promise<Copy> {
  const copy = {
    secret: Name,
    region: Region,
    status: `${Status}${StatusMessage && Status !== 'InSync' ? `: ${StatusMessage}` : ''}`,
    ...(LastAccessedDate && { lastRead: LastAccessedDate.toISOString().slice(0, 10) }),
  }
  const { DescribeSecretCommand } = await import('@aws-sdk/client-secrets-manager')
  try {
    const client = await clients.in(Region).secrets()
    const there = await client.send(new DescribeSecretCommand({ SecretId: inRegion(ARN, Region) }))
    const version = currentIn(there.VersionIdsToStages)
    const state = version === currentIn(VersionIdsToStages) ? 'follows' : 'behind'
    return { ...copy, state, ...(version && { version }) }
  } catch (error) {
    if (error instanceof Error && error.name === 'ResourceNotFoundException')
      return { ...copy, state: 'empty' }
    const told = explained(error)
    if (told instanceof CommandError) return { ...copy, state: 'unseen', why: told.message }
    throw error
  }
}

function list({ output }: Context, { secret, region, state, status, why, lastRead }: Copy): void {
  const mark = output.styled(state === 'follows' ? 'green' : 'red', state)
  output.line(`${mark}  secret:${plain(secret)} in ${plain(region)}`, 2)
  const more = [
    plain(status),
    lastRead ? `last read there ${lastRead}` : 'not read there yet',
    why && plain(why),
  ]
  output.line(`  ${more.filter(Boolean).join(', ')}`, 4)
}
