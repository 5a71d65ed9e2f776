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
import { signatureScopeOf } from './signatureScope.ts'

/** The Region of a call whose signature names none. */
const DEFAULT_REGION = 'eu-west-1'

/** One call, without secret values. */
export type Call = {
  action: string
  /** When the head of the request had come, and when the answer was written: milliseconds, by `performance.now()`. */
  began: number
  ended?: number
  /** The call's Region, unless that is eu-west-1. */
  region?: string
  /** The name or ARN that the call has for the secret. */
  secret?: string
  version?: string
  /** Staging labels, with commas between them. */
  stage?: string
  /** The name of the error that was the answer. */
  error?: string
}

/** The error that a call is answered with. */
type Refusal = { name: string; message?: string; status?: number }

/** A local Secrets Manager: see `startSecretsManager`. */
export type SecretsManagerServer = {
  /** For AWS_ENDPOINT_URL_SECRETS_MANAGER. All Regions share this URL: a call's signature names its Region. */
  url: string
  /** Every call so far. */
  calls: Call[]
  /** Has each later call answered with the error that `rule` returns for the call, if any. Without a rule none is. */
  refuse(rule?: (call: Call) => Refusal | undefined): void
  /** Has a Region behave so from now on, in place of any earlier behaviour. `{}` is the usual one. */
  setRegionBehaviour(region: string, behaviour: RegionBehaviour): void
  /** Adds a version with the label AWSPENDING and without a value, as RotateSecret does. @returns its token */
  stagePending(secret: string, token?: string): string
  stop(): Promise<void>
}

/**
 * Starts the part of AWS Secrets Manager that Keyturn uses, in this process, on a free port of 127.0.0.1, with all Regions. It
 * keeps every version. It checks no permission and no key: `refuse` and `setRegionBehaviour` simulate the errors of both. It stores
 * schedules, and no schedule starts a rotation.
 * @param clock returns the time, in milliseconds since 1970
 * @param tls with it the service is served over HTTPS
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
    refuse: rule => {
      service.refusalRule = rule
    },
    setRegionBehaviour: (region, behaviour) => service.setRegionBehaviour(region, behaviour),
    stagePending: (id, token) => service.stagePending(id, token),
  }
}

class Service {
  readonly calls: Call[] = []
  refusalRule: Parameters<SecretsManagerServer['refuse']>[0]
  readonly #account: Account
  readonly #replication: Replication
  readonly #behaviours = new Map<string, RegionBehaviour>()
  /** Resolve the promises of calls that wait until their Region answers again. */
  #resumeHeldCalls: (() => void)[] = []

  constructor(clock: () => number) {
    this.#account = new Account(clock)
    this.#replication = new Replication(this.#account, region => this.#behaviourOf(region))
  }

  async respond(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const action = `${incoming.headers['x-amz-target']}`.replace('secretsmanager.', '')
    const { region = DEFAULT_REGION } = signatureScopeOf(incoming)
    const call: Call = { action, began: performance.now(), ...(region !== DEFAULT_REGION && { region }) }
    this.calls.push(call)
    const text = Buffer.concat(await incoming.toArray()).toString()
    Object.assign(call, recordableFieldsOf(text))
    while (this.#behaviourOf(region).endpoint === 'held')
      await new Promise<void>(resolve => this.#resumeHeldCalls.push(resolve))
    if (this.#behaviourOf(region).endpoint === 'closed') {
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
      if (this.#behaviourOf(region).endpoint === 'denied')
        throw accessDeniedError(call.action, call.secret ?? '*')
      return { status: 200, body: answerCall(call.action, JSON.parse(text), this.#viewOf(region)) }
    } catch (error) {
      const { name, message, status } =
        error instanceof AwsError ? error : new AwsError('InternalServiceError', undefined, 500)
      call.error = name
      return { status, body: { __type: name, Message: message } }
    }
  }

  setRegionBehaviour(region: string, behaviour: RegionBehaviour): void {
    // Changes that are due by now arrive by the earlier behaviour.
    this.#replication.settle()
    this.#behaviours.set(region, behaviour)
    for (const resume of this.#resumeHeldCalls.splice(0)) resume()
  }

  stagePending(id: string, token: string = randomUUID()): string {
    const region = id.startsWith('arn:') ? `${id.split(':')[3]}` : DEFAULT_REGION
    const secret = this.#account.findPrimary(region, id)
    addVersion(secret, token, { created: this.#account.nextTimestamp(), value: undefined }, ['AWSPENDING'])
    this.#replication.sendChanges(secret, 'labels moved')
    return token
  }

  #viewOf(region: string): RegionView {
    return new RegionView(region, this.#account, this.#replication)
  }

  #behaviourOf(region: string): RegionBehaviour {
    return this.#behaviours.get(region) ?? {}
  }
}

/** What `calls` keeps of a request: no values. */
function recordableFieldsOf(text: string): Partial<Call> {
  const request: Request = JSON.parse(text)
  const secret = request.SecretId ?? request.Name
  const version = request.VersionId ?? request.ClientRequestToken ?? request.MoveToVersionId
  const stage = request.VersionStage ?? request.VersionStages?.join()
  return { ...(secret && { secret }), ...(version && { version }), ...(stage && { stage }) }
}
