import { DAY_SECONDS } from '../../../rotation/timeUnits.ts'
import { AwsError } from '../awsError.ts'
import { invalidParameterError, resourceNotFoundError } from './errors.ts'
import type { RegionView } from './regionView.ts'
import {
  addVersion,
  arnAndNameOf,
  attachLabel,
  labelsOf,
  type Request,
  serializedValueIn,
  tokenIn,
} from './secret.ts'

/** The actions on a secret's versions, labels and schedule. */
export const versionActions = {
  GetSecretValue: ({ SecretId, VersionId, VersionStage }: Request, { account, region }: RegionView) => {
    const secret = account.findLive(region, SecretId)
    const stage = VersionStage ?? 'AWSCURRENT'
    const id = VersionId ?? secret.labels.get(stage) ?? ''
    const version = secret.versions.get(id)
    const labels = labelsOf(secret, id)
    if (version && VersionStage && !labels.includes(VersionStage))
      throw new AwsError('InvalidRequestException', `${VersionStage} is not associated to the VersionId.`)
    if (!version?.value) throw resourceNotFoundError(`secret value for ${VersionId ?? stage}`)
    secret.lastReadDay = Math.floor(account.nowMs() / 1000 / DAY_SECONDS) * DAY_SECONDS
    const versionFields = { CreatedDate: version.created, VersionId: id, VersionStages: labels }
    return { ...arnAndNameOf(secret), ...versionFields, ...JSON.parse(version.value) }
  },

  PutSecretValue: (request: Request, { account, region, replication }: RegionView) => {
    const secret = account.findPrimary(region, request.SecretId)
    const token = tokenIn(request)
    const value = serializedValueIn(request)
    if (!value) throw new AwsError('InvalidRequestException', 'Provide either SecretString or SecretBinary.')
    const kept = secret.versions.get(token)?.value
    if (kept && kept !== value)
      throw new AwsError('ResourceExistsException', `There is a version ${token} with another value.`)
    // A repeated call changes nothing, so that labels which have moved meanwhile stay where they are.
    if (!kept) {
      const version = { created: account.nextTimestamp(), value }
      addVersion(secret, token, version, request.VersionStages ?? ['AWSCURRENT'])
      replication.sendChanges(secret, 'labels moved')
    }
    return { ...arnAndNameOf(secret), VersionId: token, VersionStages: labelsOf(secret, token) }
  },

  UpdateSecretVersionStage: (request: Request, { account, region, replication }: RegionView) => {
    const { SecretId, VersionStage: label = '', MoveToVersionId: to, RemoveFromVersionId: from } = request
    const secret = account.findPrimary(region, SecretId)
    const holder = secret.labels.get(label)
    if (from && from !== holder)
      throw invalidParameterError(`Staging label ${label} is not on version ${from}.`)
    if (!from && holder && holder !== to)
      throw invalidParameterError(
        `RemoveFromVersionId can't be empty: staging label ${label} is on version ${holder}.`,
      )
    if (to && !secret.versions.has(to)) throw resourceNotFoundError(`version ${to}`)
    if (to) attachLabel(secret, label, to)
    else if (label === 'AWSCURRENT')
      throw invalidParameterError('Staging label AWSCURRENT can only be moved.')
    else secret.labels.delete(label)
    replication.sendChanges(secret, 'labels moved')
    return arnAndNameOf(secret)
  },

  ListSecretVersionIds: (request: Request, { account, region }: RegionView) => {
    const { SecretId, IncludeDeprecated, MaxResults = 100, NextToken = '0' } = request
    const secret = account.find(region, SecretId)
    const all = [...secret.versions]
      .map(([id, { created }]) => ({
        VersionId: id,
        VersionStages: labelsOf(secret, id),
        CreatedDate: created,
      }))
      .filter(version => IncludeDeprecated || version.VersionStages.length)
    const [start, end] = [Number(NextToken), Number(NextToken) + MaxResults]
    return {
      ...arnAndNameOf(secret),
      Versions: all.slice(start, end),
      NextToken: end < all.length ? `${end}` : undefined,
    }
  },

  /** Adds a version with AWSPENDING and without a value, unless RotateImmediately is false. Calls no rotation function. */
  RotateSecret: (request: Request, { account, region, replication }: RegionView) => {
    const secret = account.findPrimary(region, request.SecretId)
    const token = tokenIn(request)
    const { RotationLambdaARN = secret.rotation?.function, RotationRules = secret.rotation?.rules } = request
    if (!RotationLambdaARN)
      throw new AwsError('InvalidRequestException', 'No Lambda rotation function ARN is associated.')
    const pending = secret.labels.get('AWSPENDING') ?? token
    if (pending !== token && pending !== secret.labels.get('AWSCURRENT'))
      throw new AwsError(
        'InvalidRequestException',
        "A previous rotation isn't complete. That rotation will be reattempted.",
      )
    secret.rotation = { enabled: true, function: RotationLambdaARN, rules: RotationRules }
    if (request.RotateImmediately === false) return arnAndNameOf(secret)
    if (!secret.versions.has(token)) {
      addVersion(secret, token, { created: account.nextTimestamp(), value: undefined }, ['AWSPENDING'])
      replication.sendChanges(secret, 'labels moved')
    }
    return { ...arnAndNameOf(secret), VersionId: token }
  },

  CancelRotateSecret: ({ SecretId }: Request, { account, region }: RegionView) => {
    const secret = account.findPrimary(region, SecretId)
    if (secret.rotation) secret.rotation.enabled = false
    const pending = secret.labels.get('AWSPENDING')
    return { ...arnAndNameOf(secret), ...(pending && { VersionId: pending }) }
  },
}
