import { Refused } from '../refused.ts'
import type { Here } from './here.ts'
import { invalid, notFound } from './refused.ts'
import { add, attach, labelsOf, named, type Request, tokenIn, valueIn } from './secret.ts'

const DAY = 86_400

/** The calls about a secret's versions and labels. */
export const values = {
  GetSecretValue: ({ SecretId, VersionId, VersionStage }: Request, { account, region }: Here) => {
    const secret = account.findLive(region, SecretId)
    const stage = VersionStage ?? 'AWSCURRENT'
    const id = VersionId ?? secret.labels.get(stage) ?? ''
    const version = secret.versions.get(id)
    const labels = labelsOf(secret, id)
    if (version && VersionStage && !labels.includes(VersionStage))
      throw new Refused('InvalidRequestException', `${VersionStage} is not associated to the VersionId.`)
    if (!version?.value) throw notFound(`secret value for ${VersionId ?? stage}`)
    secret.read = Math.floor(account.now() / 1000 / DAY) * DAY
    const dated = { CreatedDate: version.created, VersionId: id, VersionStages: labels }
    return { ...named(secret), ...dated, ...JSON.parse(version.value) }
  },

  PutSecretValue: (request: Request, { account, region, replication }: Here) => {
    const secret = account.findPrimary(region, request.SecretId)
    const token = tokenIn(request)
    const value = valueIn(request)
    if (!value) throw new Refused('InvalidRequestException', 'Provide either SecretString or SecretBinary.')
    const kept = secret.versions.get(token)?.value
    if (kept && kept !== value)
      throw new Refused('ResourceExistsException', `There is a version ${token} with another value.`)
    // A repeated call is ignored as a whole: labels that have moved on meanwhile stay where they are.
    if (!kept) {
      const version = { created: account.moment(), value }
      add(secret, token, version, request.VersionStages ?? ['AWSCURRENT'])
      replication.changed(secret, 'labels moved')
    }
    return { ...named(secret), VersionId: token, VersionStages: labelsOf(secret, token) }
  },

  UpdateSecretVersionStage: (request: Request, { account, region, replication }: Here) => {
    const { SecretId, VersionStage: label = '', MoveToVersionId: to, RemoveFromVersionId: from } = request
    const secret = account.findPrimary(region, SecretId)
    const holder = secret.labels.get(label)
    if (from && from !== holder) throw invalid(`Staging label ${label} is not on version ${from}.`)
    if (!from && holder && holder !== to)
      throw invalid(`RemoveFromVersionId can't be empty: staging label ${label} is on version ${holder}.`)
    if (to && !secret.versions.has(to)) throw notFound(`version ${to}`)
    if (to) attach(secret, label, to)
    else if (label === 'AWSCURRENT') throw invalid('Staging label AWSCURRENT can only be moved.')
    else secret.labels.delete(label)
    replication.changed(secret, 'labels moved')
    return named(secret)
  },

  ListSecretVersionIds: (request: Request, { account, region }: Here) => {
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
      ...named(secret),
      Versions: all.slice(start, end),
      NextToken: end < all.length ? `${end}` : undefined,
    }
  },

  /** Without RotateImmediately: false, AWSPENDING goes to a version without a value. No function is called. */
  RotateSecret: (request: Request, { account, region, replication }: Here) => {
    const secret = account.findPrimary(region, request.SecretId)
    const token = tokenIn(request)
    const { RotationLambdaARN = secret.rotation?.function, RotationRules = secret.rotation?.rules } = request
    if (!RotationLambdaARN)
      throw new Refused('InvalidRequestException', 'No Lambda rotation function ARN is associated.')
    const pending = secret.labels.get('AWSPENDING') ?? token
    if (pending !== token && pending !== secret.labels.get('AWSCURRENT'))
      throw new Refused(
        'InvalidRequestException',
        "A previous rotation isn't complete. That rotation will be reattempted.",
      )
    secret.rotation = { enabled: true, function: RotationLambdaARN, rules: RotationRules }
    if (request.RotateImmediately === false) return named(secret)
    if (!secret.versions.has(token)) {
      add(secret, token, { created: account.moment(), value: undefined }, ['AWSPENDING'])
      replication.changed(secret, 'labels moved')
    }
    return { ...named(secret), VersionId: token }
  },

  CancelRotateSecret: ({ SecretId }: Request, { account, region }: Here) => {
    const secret = account.findPrimary(region, SecretId)
    if (secret.rotation) secret.rotation.enabled = false
    const pending = secret.labels.get('AWSPENDING')
    return { ...named(secret), ...(pending && { VersionId: pending }) }
  },
}
