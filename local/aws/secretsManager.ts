import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { AwsError } from './awsError.ts'
import { type CertificateFiles, serveHttp } from './localService.ts'
import { Account } from './secretsManager/account.ts'
import { answerCall } from './secretsManager/actions.ts'
import { accessDeniedError } from './secretsManager/errors.ts'
import type { RegionBehaviour } from './secretsManager/regionBehaviour.ts'
import { RegionView } from './secretsManager/regionView.ts'
import { Replication } from './secretsManager/replication.ts'
import { addVersion, type Request } from './secretsManager/secret.ts'

/** Where a call belongs that is not signed, or so that nobody can tell. */
const DEFAULT_REGION = 'eu-west-1'

/**
 * One call as a permission or a bill sees it: no values. `error` is the name of what it failed with. `region` is where it
 * was made, if that is not eu-west-1.
 */
export type Call = {
  action: string
  /** Milliseconds, as this process's `performance.now()` counts them: when its head had come, and when its answer was given. */
  began: number
  ended?: number
  region?: string
  secret?: string
  version?: string
  stage?: string
  error?: string
}

/** An error as AWS would answer it. */
type Refusal = { name: string; message?: string; status?: number }

export type SecretsManagerServer = {
  /** For AWS_ENDPOINT_URL_SECRETS_MANAGER. Every Region has this one: a call's signature says which it is for. */
  url: string
  /** Every call so far. */
  calls: Call[]
  /** From now on `rule` is asked about each call, and what it returns is the answer. No rule lifts the last one. */
  refuse(rule?: (call: Call) => Refusal | undefined): void
  /** From now on a Region behaves so, and in all else as usual: {} alone is as usual. */
  setRegionBehaviour(region: string, conduct: RegionBehaviour): void
  /** Puts AWSPENDING on a version that has no value yet, as RotateSecret does. Returns its token. */
  stagePending(secret: string, token?: string): string
  stop(): Promise<void>
}

/**
 * Starts the part of AWS Secrets Manager that a rotation uses, in this process, on a free port of 127.0.0.1, with every
 * Region. Versions are kept for ever. Permissions, keys and schedules are not there: `refuse` and `setRegionBehaviour` play what
 * they refuse. Time is what `clock` says, in milliseconds. With `tls` it is served over HTTPS, as AWS is.
 */
export async function startSecretsManager({
  clock = Date.now,
  tls,
}: {
  clock?: () => number
  tls?: CertificateFiles
} = {}): Promise<SecretsManagerServer> {
  const service = new Service(clock)
  const served = await serveHttp((incoming, outgoing) => service.respond(incoming, outgoing), tls)
  return {
    ...served,
    calls: service.calls,
    refuse: next => {
      service.refusalRule = next
    },
    setRegionBehaviour: (region, conduct) => service.setRegionBehaviour(region, conduct),
    stagePending: (id, token) => service.stagePending(id, token),
  }
}

class Service {
  readonly calls: Call[] = []
  refusalRule: Parameters<SecretsManagerServer['refuse']>[0]
  readonly #account: Account
  readonly #replication: Replication
  readonly #conducts = new Map<string, RegionBehaviour>()
  /** Who waits for a Region that does not answer. */
  #held: (() => void)[] = []

  constructor(clock: () => number) {
    this.#account = new Account(clock)
    this.#replication = new Replication(this.#account, region => this.#conductOf(region))
  }

  async respond(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const action = `${incoming.headers['x-amz-target']}`.replace('secretsmanager.', '')
    const region = regionOf(incoming)
    const call: Call = { action, began: performance.now(), ...(region !== DEFAULT_REGION && { region }) }
    this.calls.push(call)
    const text = Buffer.concat(await incoming.toArray()).toString()
    Object.assign(call, recordableFieldsOf(text))
    while (this.#conductOf(region).endpoint === 'held')
      await new Promise<void>(resolve => this.#held.push(resolve))
    if (this.#conductOf(region).endpoint === 'closed') {
      Object.assign(call, { error: 'ECONNRESET', ended: performance.now() })
      incoming.socket.destroy()
      return
    }
    const { status, body } = this.#answer(call, region, text)
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID() }
    outgoing.writeHead(status, headers).end(JSON.stringify(body))
    call.ended = performance.now()
  }

  #answer(call: Call, region: string, text: string): { status: number; body: object } {
    try {
      const refusal = this.refusalRule?.(call)
      if (refusal) throw new AwsError(refusal.name, refusal.message, refusal.status)
      if (this.#conductOf(region).endpoint === 'denied')
        throw accessDeniedError(call.action, call.secret ?? '*')
      return { status: 200, body: answerCall(call.action, JSON.parse(text), this.#in(region)) }
    } catch (error) {
      const { name, message, status } =
        error instanceof AwsError ? error : new AwsError('InternalServiceError', undefined, 500)
      call.error = name
      return { status, body: { __type: name, Message: message } }
    }
  }

  setRegionBehaviour(region: string, conduct: RegionBehaviour): void {
    // What is due by now happens as the Region behaved until now.
    this.#replication.settle()
    this.#conducts.set(region, conduct)
    for (const go of this.#held.splice(0)) go()
  }

  stagePending(id: string, token: string = randomUUID()): string {
    const region = id.startsWith('arn:') ? `${id.split(':')[3]}` : DEFAULT_REGION
    const secret = this.#account.findPrimary(region, id)
    addVersion(secret, token, { created: this.#account.nextTimestamp(), value: undefined }, ['AWSPENDING'])
    this.#replication.sendChanges(secret, 'labels moved')
    return token
  }

  #in(region: string): RegionView {
    return new RegionView(region, this.#account, this.#replication)
  }

  #conductOf(region: string): RegionBehaviour {
    return this.#conducts.get(region) ?? {}
  }
}

/** The Region in the scope of the signature: Credential=<key>/<day>/<Region>/secretsmanager/aws4_request. */
function regionOf({ headers }: IncomingMessage): string {
  return /Credential=[^/]+\/\d{8}\/([^/]+)\//.exec(`${headers.authorization}`)?.[1] ?? DEFAULT_REGION
}

/** What of a request may be kept. */
function recordableFieldsOf(text: string): Partial<Call> {
  const request: Request = JSON.parse(text)
  const secret = request.SecretId ?? request.Name
  const version = request.VersionId ?? request.ClientRequestToken ?? request.MoveToVersionId
  const stage = request.VersionStage ?? request.VersionStages?.join()
  return { ...(secret && { secret }), ...(version && { version }), ...(stage && { stage }) }
}
