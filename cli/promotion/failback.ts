import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager'
import { arnInRegion, regionIn } from '../../rotation/arn.ts'
import { HOME_TAG, homeIn, tagsIn } from '../../rotation/tags.ts'
import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import type { FoundSecret } from '../credential.ts'
import { sanitize } from '../output.ts'
import { findLostVersions } from './lostVersions.ts'
import type { OtherRegionExecutions } from './otherRegionExecutions.ts'

/** The options of `keyturn failback`. */
export type FailbackOptions = { check?: true; to?: string }

/** One thing that was looked at before a step back: whether it is as it should be, and what to do if not. */
export type FailbackCheck = {
  check: 'old secret' | 'fenced' | 'replicas' | 'in sync'
  ok: boolean
  says: string
  remedy?: string
}

/** Where a secret is looked at: here, the Region that is back, and what runs there. */
export type FailbackContext = {
  context: Context
  here: string
  regionBack: string
  executions: OtherRegionExecutions
}

const RUNBOOK_HINT = 'docs/disaster-recovery.md has the steps.'

/** Everything that stands between a secret that was promoted here and the Region that is back. It changes nothing. */
export async function checkFailback(way: FailbackContext, found: FoundSecret): Promise<FailbackCheck[]> {
  const old = await findOldSecret(way, found)
  if ('check' in old) return [old]
  return [
    { check: 'old secret', ok: true, says: `it is in ${way.regionBack}` },
    checkFenced(way, old, found),
    checkReplicas(way, old),
    await checkInSync(way, old, found),
  ]
}

/** The old secret, if there is one to go on with. */
async function findOldSecret(
  { context, here, regionBack }: FailbackContext,
  { arn, name }: FoundSecret,
): Promise<DescribeSecretResponse | FailbackCheck> {
  const says = (ok: boolean, text: string, remedy?: string): FailbackCheck => ({
    ...{ check: 'old secret', ok, says: text },
    ...(remedy && { remedy }),
  })
  try {
    const there = await describeSecret(context, arnInRegion(arn, regionBack), regionBack)
    const other = there ?? (await describeSecret(context, name, regionBack))
    if (!other)
      return says(
        true,
        `there is none in ${regionBack}, so nothing is in the way`,
        `keyturn replicas secret:${sanitize(name)} --add ${regionBack} makes a replica there.`,
      )
    if (!there) return says(false, `another secret has its name in ${regionBack}: ${other.ARN}`, RUNBOOK_HINT)
    const { PrimaryRegion: primary = regionBack, DeletedDate } = there
    if (primary === here) return says(true, `it is a replica of this one already in ${regionBack}`)
    if (primary !== regionBack)
      return says(false, `it is a replica in ${regionBack}, of ${primary}`, RUNBOOK_HINT)
    if (DeletedDate)
      return says(
        false,
        `it is marked for deletion in ${regionBack}, and in the way until it is gone`,
        RUNBOOK_HINT,
      )
    return there
  } catch (error) {
    return says(false, `${regionBack} cannot be asked: ${whyFailed(error)}`)
  }
}

async function describeSecret(
  { clients }: Context,
  SecretId: string,
  region: string,
): Promise<DescribeSecretResponse | undefined> {
  const { DescribeSecretCommand } = await import('@aws-sdk/client-secrets-manager')
  const client = await clients.forRegion(region).secrets()
  return client.send(new DescribeSecretCommand({ SecretId })).catch(error => {
    if (error.name !== 'ResourceNotFoundException') throw error
    return undefined
  })
}

/** Whether nothing over there rotates it, nor can begin to. */
function checkFenced(
  { here, regionBack, executions }: FailbackContext,
  old: DescribeSecretResponse,
  { name }: FoundSecret,
): FailbackCheck {
  const at = `--region ${regionBack} --secret-id ${sanitize(name)}`
  const home = homeIn(tagsIn(old.Tags))
  const problems: [says: string, remedy?: string][] = []
  if (home !== here)
    problems.push([
      home ? `its tag ${HOME_TAG} says ${sanitize(home)}` : `it has no tag ${HOME_TAG}`,
      `aws secretsmanager tag-resource ${at} --tags Key=${HOME_TAG},Value=${here}`,
    ])
  if (old.RotationEnabled)
    problems.push(['Secrets Manager rotates it there', `aws secretsmanager cancel-rotate-secret ${at}`])
  if ('why' in executions) problems.push([`whether a rotation runs there is not known: ${executions.why}`])
  else
    for (const { arn } of executions.running.filter(({ id }) => id === name || id === old.ARN))
      problems.push([
        `a rotation of it runs there: ${arn}`,
        `aws stepfunctions stop-execution --region ${regionBack} --execution-arn ${arn}`,
      ])
  if (!problems.length) return { check: 'fenced', ok: true, says: `nothing rotates it in ${regionBack}` }
  const remedies = problems.flatMap(([, remedy]) => remedy ?? [])
  return {
    ...{ check: 'fenced', ok: false, says: problems.map(([says]) => says).join('; ') },
    ...(remedies.length && { remedy: remedies.join('; ') }),
  }
}

/** Nobody knows what becomes of the replicas of a primary that is overwritten. */
function checkReplicas(
  { regionBack }: FailbackContext,
  { ReplicationStatus = [] }: DescribeSecretResponse,
): FailbackCheck {
  const regions = ReplicationStatus.map(({ Region }) => Region).join(', ')
  if (!regions) return { check: 'replicas', ok: true, says: `the old one lists none in ${regionBack}` }
  return {
    check: 'replicas',
    ok: false,
    says: `the old one still lists ${sanitize(regions)}`,
    remedy: RUNBOOK_HINT,
  }
}

/** What would be gone if the old one were overwritten. */
async function checkInSync(
  { context, regionBack }: FailbackContext,
  old: DescribeSecretResponse,
  { arn }: FoundSecret,
): Promise<FailbackCheck> {
  try {
    const lost = await findLostVersions(context, { here: arn, there: old.ARN ?? '', to: regionBack })
    if (!lost.length)
      return {
        check: 'in sync',
        ok: true,
        says: `this one has all that is current or pending in ${regionBack}`,
      }
    const each = lost.map(({ version, label, since }) => `version ${version}, ${label} there, of ${since}`)
    return {
      ...{ check: 'in sync', ok: false, says: `this one has not: ${each.join('; ')}` },
      remedy: `If it holds something that is needed, copy that first: it would be lost. ${RUNBOOK_HINT}`,
    }
  } catch (error) {
    return { check: 'in sync', ok: false, says: `its versions cannot be listed: ${whyFailed(error)}` }
  }
}

/** Whether it was promoted here in the place of a Region's. */
export const isPromotedFor = ({ tags, arn }: FoundSecret, mark: string): boolean =>
  homeIn(tags) === regionIn(arn) && mark in tags
