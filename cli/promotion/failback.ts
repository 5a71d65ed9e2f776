import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager'
import { inRegion, regionIn } from '../../rotation/arn.ts'
import { HOME, homeIn, tagsIn } from '../../rotation/tags.ts'
import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credentialId.ts'
import { plain } from '../output.ts'
import { lostVersions } from './lostVersions.ts'
import type { Executions } from './oldExecutions.ts'

/** The options of `keyturn failback`. */
export type FailbackOptions = { check?: true; to?: string }

/** One thing that was looked at before a step back: whether it is as it should be, and what to do if not. */
export type Check = {
  check: 'old secret' | 'fenced' | 'replicas' | 'in sync'
  ok: boolean
  says: string
  remedy?: string
}

/** Where a secret is looked at: here, the Region that is back, and what runs there. */
export type Way = { context: Context; here: string; to: string; executions: Executions }

const RUNBOOK = 'docs/disaster-recovery.md has the steps.'

/** Everything that stands between a secret that was promoted here and the Region that is back. It changes nothing. */
export async function checksOf(way: Way, found: FoundSecret): Promise<Check[]> {
  const old = await lookUp(way, found)
  if ('check' in old) return [old]
  return [
    { check: 'old secret', ok: true, says: `it is in ${way.to}` },
    fenced(way, old, found),
    replicas(way, old),
    await inSync(way, old, found),
  ]
}

/** The old secret, if there is one to go on with. */
async function lookUp(
  { context, here, to }: Way,
  { arn, name }: FoundSecret,
): Promise<DescribeSecretResponse | Check> {
  const says = (ok: boolean, text: string, remedy?: string): Check => ({
    ...{ check: 'old secret', ok, says: text },
    ...(remedy && { remedy }),
  })
  try {
    const there = await describe(context, inRegion(arn, to), to)
    const other = there ?? (await describe(context, name, to))
    if (!other)
      return says(
        true,
        `there is none in ${to}, so nothing is in the way`,
        `keyturn replicas secret:${plain(name)} --add ${to} makes a replica there.`,
      )
    if (!there) return says(false, `another secret has its name in ${to}: ${other.ARN}`, RUNBOOK)
    const { PrimaryRegion: primary = to, DeletedDate } = there
    if (primary === here) return says(true, `it is a replica of this one already in ${to}`)
    if (primary !== to) return says(false, `it is a replica in ${to}, of ${primary}`, RUNBOOK)
    if (DeletedDate)
      return says(false, `it is marked for deletion in ${to}, and in the way until it is gone`, RUNBOOK)
    return there
  } catch (error) {
    return says(false, `${to} cannot be asked: ${whyFailed(error)}`)
  }
}

async function describe(
  { clients }: Context,
  SecretId: string,
  region: string,
): Promise<DescribeSecretResponse | undefined> {
  const { DescribeSecretCommand } = await import('@aws-sdk/client-secrets-manager')
  const client = await clients.in(region).secrets()
  return client.send(new DescribeSecretCommand({ SecretId })).catch(error => {
    if (error.name !== 'ResourceNotFoundException') throw error
    return undefined
  })
}

/** Whether nothing over there rotates it, nor can begin to. */
function fenced({ here, to, executions }: Way, old: DescribeSecretResponse, { name }: FoundSecret): Check {
  const at = `--region ${to} --secret-id ${plain(name)}`
  const home = homeIn(tagsIn(old.Tags))
  const problems: [says: string, remedy?: string][] = []
  if (home !== here)
    problems.push([
      home ? `its tag ${HOME} says ${plain(home)}` : `it has no tag ${HOME}`,
      `aws secretsmanager tag-resource ${at} --tags Key=${HOME},Value=${here}`,
    ])
  if (old.RotationEnabled)
    problems.push(['Secrets Manager rotates it there', `aws secretsmanager cancel-rotate-secret ${at}`])
  if ('why' in executions) problems.push([`whether a rotation runs there is not known: ${executions.why}`])
  else
    for (const { arn } of executions.running.filter(({ id }) => id === name || id === old.ARN))
      problems.push([
        `a rotation of it runs there: ${arn}`,
        `aws stepfunctions stop-execution --region ${to} --execution-arn ${arn}`,
      ])
  if (!problems.length) return { check: 'fenced', ok: true, says: `nothing rotates it in ${to}` }
  const remedies = problems.flatMap(([, remedy]) => remedy ?? [])
  return {
    ...{ check: 'fenced', ok: false, says: problems.map(([says]) => says).join('; ') },
    ...(remedies.length && { remedy: remedies.join('; ') }),
  }
}

/** Nobody knows what becomes of the replicas of a primary that is overwritten. */
function replicas({ to }: Way, { ReplicationStatus = [] }: DescribeSecretResponse): Check {
  const regions = ReplicationStatus.map(({ Region }) => Region).join(', ')
  if (!regions) return { check: 'replicas', ok: true, says: `the old one lists none in ${to}` }
  return { check: 'replicas', ok: false, says: `the old one still lists ${plain(regions)}`, remedy: RUNBOOK }
}

/** What would be gone if the old one were overwritten. */
async function inSync(
  { context, to }: Way,
  old: DescribeSecretResponse,
  { arn }: FoundSecret,
): Promise<Check> {
  try {
    const lost = await lostVersions(context, { here: arn, there: old.ARN ?? '', to })
    if (!lost.length)
      return { check: 'in sync', ok: true, says: `this one has all that is current or pending in ${to}` }
    const each = lost.map(({ version, label, since }) => `version ${version}, ${label} there, of ${since}`)
    return {
      ...{ check: 'in sync', ok: false, says: `this one has not: ${each.join('; ')}` },
      remedy: `If it holds something that is needed, copy that first: it would be lost. ${RUNBOOK}`,
    }
  } catch (error) {
    return { check: 'in sync', ok: false, says: `its versions cannot be listed: ${whyFailed(error)}` }
  }
}

/** Whether it was promoted here in the place of a Region's. */
export const isPromotedFor = ({ tags, arn }: FoundSecret, mark: string): boolean =>
  homeIn(tags) === regionIn(arn) && mark in tags
