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

type Refusal = { name: string; message?: string; status?: number }

/** An account that is only looked at. */
export type AuditedAccount = {
  /** For AWS_ENDPOINT_URL. Every Region and service has this one: a call's signature says which it is for. */
  url: string
  /** Every call so far, also those that were refused. */
  calls: Call[]
  /** ARN of a secret or a parameter. @throws Error if it was not declared */
  arnOf(region: string, name: string): string
  /** From now on `rule` is asked about each call, and what it returns is the answer. No rule lifts the last one. */
  refuse(rule?: (call: Call) => Refusal | undefined): void
  /** From now on each call is answered as many milliseconds later as `rule` says. */
  delay(rule?: (call: Call) => number): void
  /** From now on lists come in another order for each seed; without one, as they were declared. */
  shuffle(seed?: string): void
  stop(): Promise<void>
}

/**
 * Starts an account in this process, on a free port of 127.0.0.1, as far as an audit looks at one: what the services tell of
 * secrets, parameters, functions, stacks, reads and rotations, in several Regions. It holds no value and changes nothing.
 * With `throttle`, each service takes as many calls as fleet/audit/rateLimits.ts says, times that number, and refuses the rest.
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

/** By the names that signatures have for services. */
const services: Record<string, Record<string, Action>> = {
  ...{ secretsmanager: secretsManager, ssm: parameterStore, tagging, lambda, sns },
  ...{ cloudformation: cloudFormation, cloudtrail: cloudTrail, dynamodb: dynamoDb },
  'access-analyzer': accessAnalyzer,
}

class Account {
  readonly calls: Call[] = []
  refusalRule: ((call: Call) => Refusal | undefined) | undefined
  delayRule: ((call: Call) => number) | undefined
  seed: string | undefined
  readonly #world: AccountState
  readonly #throttle: Throttle | undefined
  readonly #started = performance.now()

  constructor(world: AccountState, factor: number | undefined) {
    this.#world = world
    this.#throttle = factor === undefined ? undefined : new Throttle(factor)
  }

  async respond(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const asked = parseRequest(incoming, Buffer.concat(await incoming.toArray()).toString())
    const { service, action, region, protocol, input } = asked
    const about = resourceNameIn(input)
    const at = performance.now() - this.#started
    const call: Call = { service, action, region, ...(about && { resource: about }), atMs: at }
    this.calls.push(call)
    const lateness = this.delayRule?.(call) ?? 0
    if (lateness) await sleep(lateness)
    const { status, body, headers } = this.#answer(asked, call)
    const standing = { 'x-amzn-requestid': randomUUID(), date: this.#world.moment.toUTCString() }
    outgoing.writeHead(status, { ...standing, ...CONTENT_TYPES[protocol], ...headers }).end(body)
  }

  arnOf(region: string, name: string): string {
    const { secrets, parameters = [] } = this.#world.regions.get(region) ?? {}
    const found = [...(secrets?.values() ?? []), ...parameters].find(each => each.name === name)
    if (!found) throw new Error(`${name} was not declared in ${region}`)
    return found.arn
  }

  #answer(asked: ParsedRequest, call: Call): Answer {
    try {
      return answerOf(asked, this.#result(asked, call))
    } catch (error) {
      const refused = error instanceof AwsError ? error : new AwsError('InternalServerError', `${error}`, 500)
      call.error = refused.name
      return errorOf(asked, refused)
    }
  }

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
    return (actions[action] as Action)(input, { accountState: this.#world, region, orderOf })
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

/** Services that begin the name of the text with a capital. */
const CAPITAL_MESSAGE_SERVICES = ['secretsmanager', 'lambda', 'tagging']

/** Parameter Store writes it so for what was to be shared, and for nothing else that is played here. */
const isSharingError = (service: string, name: string) =>
  service === 'ssm' && name === 'ResourceNotFoundException'

function errorOf({ service, protocol }: ParsedRequest, { name, message, status }: AwsError): Answer {
  if (protocol === 'query') return { status, body: errorXml(name, message) }
  const told = {
    ...(protocol === 'json' && { __type: name }),
    [CAPITAL_MESSAGE_SERVICES.includes(service) || isSharingError(service, name) ? 'Message' : 'message']:
      message,
    // Access Analyzer says besides what it is that is not there.
    ...(service === 'access-analyzer' &&
      name === 'ResourceNotFoundException' && { resourceId: '', resourceType: '' }),
  }
  return { status, body: JSON.stringify(told), headers: { 'x-amzn-errortype': name } }
}
