import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { digest } from '../../fleet/digest.ts'
import { type AccountState, buildAccountState } from './audited/accountState.ts'
import type { DeclaredAccount } from './audited/declared.ts'
import { accessAnalyzer, cloudTrail, dynamoDb, lambda } from './audited/otherServices.ts'
import { parameterStore, tagging } from './audited/parameters.ts'
import {
  type Action,
  type Call,
  type ParsedRequest,
  type Protocol,
  parseRequest,
  resourceNameIn,
} from './audited/request.ts'
import { secretsManager } from './audited/secrets.ts'
import { cloudFormation, sns } from './audited/stacks.ts'
import { Throttle } from './audited/throttle.ts'
import { errorXml, responseXml } from './audited/xml.ts'
import { AwsError } from './awsError.ts'
import { serveHttp } from './localService.ts'

export type {
  DeclaredAccount,
  DeclaredEvent,
  DeclaredParameter,
  DeclaredRegion,
  DeclaredRotation,
  DeclaredSecret,
} from './audited/declared.ts'
export type { Call } from './audited/request.ts'

/** The error that a call is answered with. */
type Refusal = { name: string; message?: string; status?: number }

/** A local AWS account that can only be read: see `startAuditedAccount`. */
export type AuditedAccount = {
  /** For AWS_ENDPOINT_URL. All Regions and services share this URL: a call's signature names its Region and service. */
  url: string
  /** Every call so far, also those that were answered with an error. */
  calls: Call[]
  /** ARN of a secret or a parameter, by its name. @throws Error if it was not declared */
  arnOf(region: string, name: string): string
  /** Has each later call answered with the error that `rule` returns for the call, if any. Without a rule none is. */
  refuse(rule?: (call: Call) => Refusal | undefined): void
  /** Has each later call answered as many milliseconds later as `rule` returns. */
  delay(rule?: (call: Call) => number): void
  /** Has later lists of secrets and parameters in an order that depends on `seed`; without a seed, in that of the declaration. */
  shuffle(seed?: string): void
  stop(): Promise<void>
}

/**
 * Starts an AWS account in this process, on a free port of 127.0.0.1, as far as `keyturn audit` reads one: secrets, parameters,
 * functions, stacks, reads and rotations, in several Regions. It has no secret values, and no call changes anything.
 * @param throttle with this factor, each service takes as many calls as fleet/audit/rateLimits.ts says, times the factor, and
 *   answers the rest with ThrottlingException
 */
export async function startAuditedAccount(
  declared: DeclaredAccount,
  { throttle }: { throttle?: number } = {},
): Promise<AuditedAccount> {
  const account = new Account(buildAccountState(declared), throttle)
  const served = await serveHttp((incoming, outgoing) => account.respond(incoming, outgoing))
  return {
    ...served,
    calls: account.calls,
    arnOf: (region, name) => account.arnOf(region, name),
    refuse: rule => {
      account.refusalRule = rule
    },
    delay: rule => {
      account.delayRule = rule
    },
    shuffle: seed => {
      account.seed = seed
    },
  }
}

/** The actions of each service, by the name that a call's signature has for the service. */
const services: Record<string, Record<string, Action>> = {
  secretsmanager: secretsManager,
  ssm: parameterStore,
  tagging,
  lambda,
  sns,
  cloudformation: cloudFormation,
  cloudtrail: cloudTrail,
  dynamodb: dynamoDb,
  'access-analyzer': accessAnalyzer,
}

class Account {
  readonly calls: Call[] = []
  refusalRule: ((call: Call) => Refusal | undefined) | undefined
  delayRule: ((call: Call) => number) | undefined
  seed: string | undefined
  readonly #state: AccountState
  readonly #throttle: Throttle | undefined
  readonly #started = performance.now()

  constructor(state: AccountState, factor: number | undefined) {
    this.#state = state
    this.#throttle = factor === undefined ? undefined : new Throttle(factor)
  }

  async respond(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const request = parseRequest(incoming, Buffer.concat(await incoming.toArray()).toString())
    const { service, action, region, protocol, input } = request
    const resource = resourceNameIn(input)
    const atMs = performance.now() - this.#started
    const call: Call = { service, action, region, ...(resource && { resource }), atMs }
    this.calls.push(call)
    const delayMs = this.delayRule?.(call) ?? 0
    if (delayMs) await sleep(delayMs)
    const { status, body, headers } = this.#answer(request, call)
    const commonHeaders = { 'x-amzn-requestid': randomUUID(), date: this.#state.moment.toUTCString() }
    outgoing.writeHead(status, { ...commonHeaders, ...CONTENT_TYPES[protocol], ...headers }).end(body)
  }

  arnOf(region: string, name: string): string {
    const { secrets, parameters = [] } = this.#state.regions.get(region) ?? {}
    const found = [...(secrets?.values() ?? []), ...parameters].find(each => each.name === name)
    if (!found) throw new Error(`${name} was not declared in ${region}`)
    return found.arn
  }

  #answer(request: ParsedRequest, call: Call): Answer {
    try {
      return answerOf(request, this.#result(request, call))
    } catch (error) {
      const awsError =
        error instanceof AwsError ? error : new AwsError('InternalServerError', `${error}`, 500)
      call.error = awsError.name
      return errorOf(request, awsError)
    }
  }

  /** What the action returns. @throws AwsError where AWS would answer with an error */
  #result({ service, region, action, input }: ParsedRequest, call: Call): object | string {
    if (this.#throttle?.refuses(region, service, action, call.atMs))
      throw new AwsError('ThrottlingException', 'Rate exceeded')
    const refusal = this.refusalRule?.(call)
    if (refusal) throw new AwsError(refusal.name, refusal.message, refusal.status)
    const actions = services[service] ?? {}
    if (!Object.hasOwn(actions, action))
      throw new AwsError('UnknownOperationException', `${service} ${action} is not played here`)
    const { seed } = this
    const orderOf = (name: string) => (seed === undefined ? 0 : digest(`${seed} ${name}`))
    return (actions[action] as Action)(input, { accountState: this.#state, region, orderOf })
  }
}

type Answer = { status: number; body: string; headers?: Record<string, string> }

const CONTENT_TYPES: Record<Protocol, Record<string, string>> = {
  json: { 'content-type': 'application/x-amz-json-1.1' },
  'rest-json': { 'content-type': 'application/json' },
  query: { 'content-type': 'text/xml' },
}

function answerOf({ action, protocol }: ParsedRequest, result: object | string): Answer {
  const body = protocol === 'query' ? responseXml(action, `${result}`) : JSON.stringify(result)
  return { status: 200, body }
}

/** The services whose errors have their text in `Message`. Those of all others have it in `message`. */
const CAPITAL_MESSAGE_SERVICES = ['secretsmanager', 'lambda', 'tagging']

/** Whether this is the one error of Parameter Store here that has its text in `Message`. */
const isSharingError = (service: string, name: string) =>
  service === 'ssm' && name === 'ResourceNotFoundException'

function errorOf({ service, protocol }: ParsedRequest, { name, message, status }: AwsError): Answer {
  if (protocol === 'query') return { status, body: errorXml(name, message) }
  const body = {
    ...(protocol === 'json' && { __type: name }),
    [CAPITAL_MESSAGE_SERVICES.includes(service) || isSharingError(service, name) ? 'Message' : 'message']:
      message,
    // The model of Access Analyzer requires these members of this error: see ResourceNotFoundException in its SDK.
    ...(service === 'access-analyzer' &&
      name === 'ResourceNotFoundException' && { resourceId: '', resourceType: '' }),
  }
  return { status, body: JSON.stringify(body), headers: { 'x-amzn-errortype': name } }
}
