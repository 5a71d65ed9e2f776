import { randomInt, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type * as aws from '@aws-sdk/client-secrets-manager'

/** One call as a permission or a bill sees it: no values. `error` is the name of what it failed with. */
export type Call = { action: string; secret?: string; version?: string; stage?: string; error?: string }

/** An error as AWS would answer it. */
type Refusal = { name: string; message?: string; status?: number }

export type SecretsManagerServer = {
  /** For AWS_ENDPOINT_URL_SECRETS_MANAGER. */
  url: string
  /** Every call so far. */
  calls: Call[]
  /** From now on `rule` is asked about each call, and what it returns is the answer. No rule lifts the last one. */
  refuse(rule?: (call: Call) => Refusal | undefined): void
  /** Puts AWSPENDING on a version that has no value yet, as RotateSecret does. Returns its token. */
  stagePending(secret: string, token?: string): string
  stop(): Promise<void>
}

type Version = { created: number; value: string | undefined }
type Secret = {
  arn: string
  name: string
  created: number
  deleted?: number
  tags: Map<string, string>
  versions: Map<string, Version>
  /** From label to version: so a label sits on one version, whatever happens. */
  labels: Map<string, string>
}

/** What the actions read, by the service's own names. */
type Request = Partial<
  aws.CreateSecretRequest &
    aws.GetSecretValueRequest &
    aws.PutSecretValueRequest &
    aws.UpdateSecretVersionStageRequest &
    aws.ListSecretVersionIdsRequest &
    aws.DeleteSecretRequest
>

class Refused extends Error {
  readonly status: number
  constructor(name: string, message = name, status = 400) {
    super(message)
    this.name = name
    this.status = status
  }
}

/**
 * Starts the part of AWS Secrets Manager that a rotation uses, in this process, on a free port of 127.0.0.1. Versions
 * are kept for ever. Permissions, keys, replicas and schedules are not there: `refuse` plays what they refuse.
 */
export async function startSecretsManager(): Promise<SecretsManagerServer> {
  const calls: Call[] = []
  const secrets = new Secrets()
  let rule: Parameters<SecretsManagerServer['refuse']>[0]

  const respond = async (incoming: IncomingMessage): Promise<{ status: number; body: object }> => {
    const action = `${incoming.headers['x-amz-target']}`.replace('secretsmanager.', '')
    const call: Call = { action }
    calls.push(call)
    try {
      const request: Request = JSON.parse(Buffer.concat(await incoming.toArray()).toString())
      Object.assign(call, seen(request))
      const refusal = rule?.(call)
      if (refusal) throw new Refused(refusal.name, refusal.message, refusal.status)
      if (!Object.hasOwn(secrets.actions, action)) throw new Refused('UnknownOperationException')
      return { status: 200, body: secrets.actions[action as keyof Secrets['actions']](request) }
    } catch (error) {
      const { name, message, status } =
        error instanceof Refused ? error : new Refused('InternalServiceError', undefined, 500)
      call.error = name
      return { status, body: { __type: name, message } }
    }
  }
  const server = createServer(async (incoming, outgoing) => {
    const { status, body } = await respond(incoming)
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID() }
    outgoing.writeHead(status, headers).end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    calls,
    refuse: next => {
      rule = next
    },
    stagePending: (id, token) => secrets.stagePending(id, token),
    async stop() {
      const closed = once(server.close(), 'close')
      server.closeAllConnections()
      await closed
    },
  }
}

/** What of a request may be kept. */
function seen(request: Request): Partial<Call> {
  const secret = request.SecretId ?? request.Name
  const version = request.VersionId ?? request.ClientRequestToken ?? request.MoveToVersionId
  const stage = request.VersionStage ?? request.VersionStages?.join()
  return { ...(secret && { secret }), ...(version && { version }), ...(stage && { stage }) }
}

/** The secrets of one account. No action waits for anything, so no two ever mix. */
class Secrets {
  readonly #all = new Map<string, Secret>()
  #lastMoment = 0

  readonly actions = {
    CreateSecret: (request: Request) => {
      const { Name: name = '', ClientRequestToken: token = randomUUID(), Tags = [] } = request
      const existing = this.#all.get(name)
      if (existing?.deleted) throw markedForDeletion()
      if (existing) throw new Refused('ResourceExistsException', `The secret ${name} already exists.`)
      const suffix = Array.from({ length: 6 }, () => randomInt(36).toString(36)).join('')
      const secret: Secret = {
        arn: `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${name}-${suffix}`,
        name,
        created: this.#moment(),
        tags: new Map(Tags.map(({ Key = '', Value = '' }) => [Key, Value])),
        versions: new Map(),
        labels: new Map(),
      }
      const value = valueIn(request)
      if (value) this.#add(secret, token, value, [])
      this.#all.set(name, secret)
      return { ...named(secret), ...(value && { VersionId: token }) }
    },

    DescribeSecret: ({ SecretId }: Request) => {
      const secret = this.#find(SecretId)
      const stages = [...secret.versions.keys()].map(id => [id, labelsOf(secret, id)] as const)
      return {
        ...named(secret),
        CreatedDate: secret.created,
        DeletedDate: secret.deleted,
        Tags: [...secret.tags].map(([Key, Value]) => ({ Key, Value })),
        VersionIdsToStages: Object.fromEntries(stages.filter(([, labels]) => labels.length)),
      }
    },

    GetSecretValue: ({ SecretId, VersionId, VersionStage }: Request) => {
      const secret = this.#findLive(SecretId)
      const stage = VersionStage ?? 'AWSCURRENT'
      const id = VersionId ?? secret.labels.get(stage) ?? ''
      const version = secret.versions.get(id)
      const labels = labelsOf(secret, id)
      if (version && VersionStage && !labels.includes(VersionStage))
        throw new Refused('InvalidRequestException', `${VersionStage} is not associated to the VersionId.`)
      if (!version?.value) throw notFound(`secret value for ${VersionId ?? stage}`)
      const dated = { CreatedDate: version.created, VersionId: id, VersionStages: labels }
      return { ...named(secret), ...dated, ...JSON.parse(version.value) }
    },

    PutSecretValue: (request: Request) => {
      const { SecretId, ClientRequestToken: token = randomUUID() } = request
      const secret = this.#findLive(SecretId)
      if (token.length < 32 || token.length > 64)
        throw invalid('ClientRequestToken must be 32-64 characters.')
      const value = valueIn(request)
      if (!value) throw new Refused('InvalidRequestException', 'Provide either SecretString or SecretBinary.')
      const kept = secret.versions.get(token)?.value
      if (kept && kept !== value)
        throw new Refused('ResourceExistsException', `There is a version ${token} with another value.`)
      // A repeated call is ignored as a whole: labels that have moved on meanwhile stay where they are.
      if (!kept) this.#add(secret, token, value, request.VersionStages ?? ['AWSCURRENT'])
      return { ...named(secret), VersionId: token, VersionStages: labelsOf(secret, token) }
    },

    UpdateSecretVersionStage: (request: Request) => {
      const { SecretId, VersionStage: label = '', MoveToVersionId: to, RemoveFromVersionId: from } = request
      const secret = this.#findLive(SecretId)
      const holder = secret.labels.get(label)
      if (from && from !== holder) throw invalid(`Staging label ${label} is not on version ${from}.`)
      if (!from && holder && holder !== to)
        throw invalid(`RemoveFromVersionId can't be empty: staging label ${label} is on version ${holder}.`)
      if (to && !secret.versions.has(to)) throw notFound(`version ${to}`)
      if (to) attach(secret, label, to)
      else if (label === 'AWSCURRENT') throw invalid('Staging label AWSCURRENT can only be moved.')
      else secret.labels.delete(label)
      return named(secret)
    },

    ListSecretVersionIds: ({ SecretId, IncludeDeprecated, MaxResults = 100, NextToken = '0' }: Request) => {
      const secret = this.#find(SecretId)
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

    TagResource: ({ SecretId, Tags = [] }: Request) => {
      const { tags } = this.#findLive(SecretId)
      for (const { Key = '', Value = '' } of Tags) tags.set(Key, Value)
      return {}
    },

    DeleteSecret: ({ SecretId, ForceDeleteWithoutRecovery, RecoveryWindowInDays = 30 }: Request) => {
      const secret = this.#findLive(SecretId)
      if (ForceDeleteWithoutRecovery) this.#all.delete(secret.name)
      secret.deleted = this.#moment() + RecoveryWindowInDays * 86_400
      return { ...named(secret), DeletionDate: secret.deleted }
    },
  }

  stagePending(id: string, token: string = randomUUID()): string {
    this.#add(this.#findLive(id), token, undefined, ['AWSPENDING'])
    return token
  }

  #add(secret: Secret, token: string, value: string | undefined, labels: string[]): void {
    const first = value && secret.versions.size === 0
    secret.versions.set(token, { created: this.#moment(), value })
    for (const label of first ? [...labels, 'AWSCURRENT'] : labels) attach(secret, label, token)
  }

  /** By name or ARN; the random end of the ARN may be left out. */
  #find(id = ''): Secret {
    for (const secret of this.#all.values())
      if ([secret.name, secret.arn, secret.arn.slice(0, -7)].includes(id)) return secret
    throw notFound('secret')
  }

  #findLive(id: string | undefined): Secret {
    const secret = this.#find(id)
    if (secret.deleted) throw markedForDeletion()
    return secret
  }

  /** Now, in seconds. No two are the same, so who sorts by date gets one order. */
  #moment(): number {
    this.#lastMoment = Math.max(Date.now(), this.#lastMoment + 1)
    return this.#lastMoment / 1000
  }
}

/** Moving AWSCURRENT moves AWSPREVIOUS to the version that it left. */
function attach({ labels }: Secret, label: string, to: string): void {
  const left = labels.get(label)
  labels.set(label, to)
  if (label === 'AWSCURRENT' && left && left !== to) labels.set('AWSPREVIOUS', left)
}

function labelsOf({ labels }: Secret, version: string): string[] {
  return [...labels].flatMap(([label, holder]) => (holder === version ? label : []))
}

function valueIn({ SecretString, SecretBinary }: Request): string | undefined {
  return SecretString || SecretBinary ? JSON.stringify({ SecretString, SecretBinary }) : undefined
}

function named({ arn, name }: Secret): { ARN: string; Name: string } {
  return { ARN: arn, Name: name }
}

function invalid(message: string): Refused {
  return new Refused('InvalidParameterException', message)
}

function notFound(what: string): Refused {
  return new Refused('ResourceNotFoundException', `Secrets Manager can't find the specified ${what}.`)
}

function markedForDeletion(): Refused {
  return new Refused('InvalidRequestException', 'The secret was marked for deletion.')
}
