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

/** One condition of a failback: whether it is met (`ok`), and what to do if not. */
export type FailbackCheck = {
  check: 'old secret' | 'fenced' | 'replicas' | 'in sync'
  ok: boolean
  says: string
  remedy?: string
}

/** What the checks of all secrets share: this Region, the Region that is back, and the rotations that run there. */
export type FailbackContext = {
  context: Context
  here: string
  regionBack: string
  executions: OtherRegionExecutions
}

const RUNBOOK_HINT = 'docs/disaster-recovery.md has the steps.'

/**
 * Checks the conditions under which a secret that was promoted here can go back to the Region that is back. Nothing is changed.
 * @param found the promoted secret
 */
export async function checkFailback(
  failbackContext: FailbackContext,
  found: FoundSecret,
): Promise<FailbackCheck[]> {
  const oldSecret = await findOldSecret(failbackContext, found)
  if ('check' in oldSecret) return [oldSecret]
  return [
    { check: 'old secret', ok: true, says: `it is in ${failbackContext.regionBack}` },
    checkFenced(failbackContext, oldSecret, found),
    checkReplicas(failbackContext, oldSecret),
    await checkInSync(failbackContext, oldSecret, found),
  ]
}

/**
 * The old secret in the Region that is back; or the check `old secret`, if there is no old secret that the other checks apply to.
 */
async function findOldSecret(
  { context, here, regionBack }: FailbackContext,
  { arn, name }: FoundSecret,
): Promise<DescribeSecretResponse | FailbackCheck> {
  const oldSecretCheck = (ok: boolean, text: string, remedy?: string): FailbackCheck => ({
    check: 'old secret',
    ok,
    says: text,
    ...(remedy && { remedy }),
  })
  try {
    const sameSecret = await describeSecret(context, arnInRegion(arn, regionBack), regionBack)
    const anySecret = sameSecret ?? (await describeSecret(context, name, regionBack))
    if (!anySecret)
      return oldSecretCheck(
        true,
        `there is none in ${regionBack}, so nothing is in the way`,
        `keyturn replicas secret:${sanitize(name)} --add ${regionBack} makes a replica there.`,
      )
    if (!sameSecret)
      return oldSecretCheck(
        false,
        `a different secret has this name in ${regionBack}: ${anySecret.ARN}`,
        RUNBOOK_HINT,
      )
    const { PrimaryRegion: primary = regionBack, DeletedDate } = sameSecret
    if (primary === here)
      return oldSecretCheck(true, `in ${regionBack} it is a replica of this secret already`)
    if (primary !== regionBack)
      return oldSecretCheck(false, `in ${regionBack} it is a replica of a secret in ${primary}`, RUNBOOK_HINT)
    if (DeletedDate)
      return oldSecretCheck(
        false,
        `it is marked for deletion in ${regionBack}, and blocks a replica until it is deleted`,
        RUNBOOK_HINT,
      )
    return sameSecret
  } catch (error) {
    return oldSecretCheck(false, `${regionBack} cannot be asked: ${whyFailed(error)}`)
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

/** Checks that nothing rotates the old secret in its Region, and that nothing can begin to. */
function checkFenced(
  { here, regionBack, executions }: FailbackContext,
  oldSecret: DescribeSecretResponse,
  { name }: FoundSecret,
): FailbackCheck {
  const at = `--region ${regionBack} --secret-id ${sanitize(name)}`
  const home = homeIn(tagsIn(oldSecret.Tags))
  const problems: [says: string, remedy?: string][] = []
  if (home !== here)
    problems.push([
      home ? `its tag ${HOME_TAG} names ${sanitize(home)}` : `it has no tag ${HOME_TAG}`,
      `aws secretsmanager tag-resource ${at} --tags Key=${HOME_TAG},Value=${here}`,
    ])
  if (oldSecret.RotationEnabled)
    problems.push(['Secrets Manager rotates it there', `aws secretsmanager cancel-rotate-secret ${at}`])
  if ('why' in executions) problems.push([`it is not known whether a rotation runs there: ${executions.why}`])
  else
    for (const { arn } of executions.running.filter(({ id }) => id === name || id === oldSecret.ARN))
      problems.push([
        `a rotation of it runs there: ${arn}`,
        `aws stepfunctions stop-execution --region ${regionBack} --execution-arn ${arn}`,
      ])
  if (!problems.length) return { check: 'fenced', ok: true, says: `nothing rotates it in ${regionBack}` }
  const remedies = problems.flatMap(([, remedy]) => remedy ?? [])
  return {
    check: 'fenced',
    ok: false,
    says: problems.map(([says]) => says).join('; '),
    ...(remedies.length && { remedy: remedies.join('; ') }),
  }
}

/** Checks that the old secret has no replicas: AWS does not document what becomes of them if the old secret is overwritten. */
function checkReplicas(
  { regionBack }: FailbackContext,
  { ReplicationStatus = [] }: DescribeSecretResponse,
): FailbackCheck {
  const regions = ReplicationStatus.map(({ Region }) => Region).join(', ')
  if (!regions)
    return { check: 'replicas', ok: true, says: `the old secret in ${regionBack} has no replicas` }
  return {
    check: 'replicas',
    ok: false,
    says: `the old secret still has replicas in ${sanitize(regions)}`,
    remedy: RUNBOOK_HINT,
  }
}

/** Checks that no version would be lost if the old secret were overwritten. */
async function checkInSync(
  { context, regionBack }: FailbackContext,
  oldSecret: DescribeSecretResponse,
  { arn }: FoundSecret,
): Promise<FailbackCheck> {
  try {
    const lost = await findLostVersions(context, { here: arn, there: oldSecret.ARN ?? '', regionBack })
    if (!lost.length)
      return {
        check: 'in sync',
        ok: true,
        says: `this secret has every version that is current or pending in ${regionBack}`,
      }
    const each = lost.map(
      ({ version, label, since }) => `version ${version}, ${label} there, created ${since}`,
    )
    return {
      check: 'in sync',
      ok: false,
      says: `this secret does not have: ${each.join('; ')}`,
      remedy: `If such a version has a value that is needed, copy it first: it would be lost. ${RUNBOOK_HINT}`,
    }
  } catch (error) {
    return { check: 'in sync', ok: false, says: `its versions cannot be listed: ${whyFailed(error)}` }
  }
}

/**
 * Whether a secret was promoted here in the place of one in a lost Region: its home is here, and the lost Region is given up.
 * @param givenUpTagKey the key of the tag by which the lost Region is given up
 */
export const isPromotedFor = ({ tags, arn }: FoundSecret, givenUpTagKey: string): boolean =>
  homeIn(tags) === regionIn(arn) && givenUpTagKey in tags
