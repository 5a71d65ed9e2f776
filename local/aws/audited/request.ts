import type { IncomingMessage } from 'node:http'
import { AwsError } from '../awsError.ts'
import { signatureScopeOf } from '../signatureScope.ts'
import type { AccountState } from './accountState.ts'

/** One call of the account, without its answer. */
export type Call = {
  service: string
  action: string
  region: string
  /** What `resourceNameIn` finds in the call's parameters. */
  resource?: string
  /** Milliseconds since the account was started. */
  atMs: number
  /** The name of the error that was the answer. */
  error?: string
}

/** The error for something that does not exist, such as `Function name`. */
export const resourceNotFoundError = (what: string) =>
  new AwsError('ResourceNotFoundException', `${what} is not there`, 404)

/** The parameters of a call, by AWS's names. */
export type Input = Record<string, unknown>

/**
 * AWS's protocols. `json`: the X-Amz-Target header names the action. `rest-json`: the method and the path do. `query`: a form does,
 * and the answer is XML. https://smithy.io/2.0/aws/protocols/
 */
export type Protocol = 'json' | 'rest-json' | 'query'

/** A request, with what it is for. */
export type ParsedRequest = {
  service: string
  region: string
  action: string
  protocol: Protocol
  input: Input
}

/**
 * Answers a call. In the protocol `query` the answer is the XML inside an element such as `<DescribeStacksResult>`.
 * @throws AwsError
 */
export type Action = (input: Input, context: CallContext) => object | string

/** The account that is called, and the Region of the call. */
export type CallContext = {
  accountState: AccountState
  region: string
  /** The sort key by which something with this name is listed. */
  orderOf: (name: string) => number | string
}

/** Parses a request. The service and the Region are in the scope of its signature. */
export function parseRequest(incoming: IncomingMessage, body: string): ParsedRequest {
  const { 'x-amz-target': target } = incoming.headers
  const { region = '', service = '' } = signatureScopeOf(incoming)
  if (target) {
    const action = `${target}`.split('.').at(-1) ?? ''
    return { service, region, action, protocol: 'json', input: JSON.parse(body || '{}') }
  }
  if (`${incoming.headers['content-type']}`.startsWith('application/x-www-form-urlencoded')) {
    const input = Object.fromEntries(new URLSearchParams(body))
    return { service, region, action: input.Action ?? '', protocol: 'query', input }
  }
  return { service, region, protocol: 'rest-json', ...parseRestRequest(incoming, body) }
}

/** The actions of services that have the protocol `rest-json`. */
const REST_ROUTES: [method: string, path: RegExp, action: string][] = [
  ['GET', /^\/2015-03-31\/functions\/(?<FunctionName>[^/]+)\/configuration$/, 'GetFunctionConfiguration'],
  ['GET', /^\/analyzer\/?$/, 'ListAnalyzers'],
  ['POST', /^\/finding\/?$/, 'ListFindings'],
]

function parseRestRequest(
  { method, url = '' }: IncomingMessage,
  body: string,
): Pick<ParsedRequest, 'action' | 'input'> {
  const { pathname, searchParams } = new URL(url, 'http://localhost')
  for (const [wanted, path, action] of REST_ROUTES) {
    const found = path.exec(pathname)
    if (method !== wanted || !found) continue
    const inPath = Object.entries(found.groups ?? {}).map(([key, value]) => [key, decodeURIComponent(value)])
    const input = {
      ...Object.fromEntries(searchParams),
      ...Object.fromEntries(inPath),
      ...JSON.parse(body || '{}'),
    }
    return { action, input }
  }
  return { action: `${method} ${pathname}`, input: {} }
}

/**
 * The name or ARN of the secret, parameter, function, table, stack, topic or analyzer that a call names. It leaves out the ResourceId
 * of ListTagsForResource.
 */
export function resourceNameIn({
  SecretId,
  ResourceArn,
  FunctionName,
  TableName,
  StackName,
  TopicArn,
  analyzerArn,
}: Input): string | undefined {
  const resource =
    SecretId ?? ResourceArn ?? FunctionName ?? TableName ?? StackName ?? TopicArn ?? analyzerArn
  return resource === undefined ? undefined : `${resource}`
}

/** Sorts what a Region has by the order in which lists are answered. */
export const sortForListing = <Item extends { name: string }>(
  all: Iterable<Item>,
  { orderOf }: CallContext,
): Item[] =>
  [...all]
    .map(item => ({ item, order: orderOf(item.name) }))
    .sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0))
    .map(({ item }) => item)

/**
 * One page of a list, and the token of the next page.
 * @param start the token of this page, if it is not the first
 * @param wanted how many items the caller wants
 * @param most how many items the service puts in a page at most
 */
export function pageOf<Item>(
  all: Item[],
  { start, wanted, most }: { start: unknown; wanted: unknown; most: number },
): { page: Item[]; next: string | undefined } {
  const size = Math.min(Number(wanted ?? most), most)
  const from = Number(Buffer.from(`${start ?? ''}`, 'base64').toString() || 0)
  if (!Number.isSafeInteger(from) || from > all.length)
    throw new AwsError('InvalidNextTokenException', 'The token is none of this list.')
  const end = from + size
  return {
    page: all.slice(from, end),
    next: end < all.length ? Buffer.from(`${end}`).toString('base64') : undefined,
  }
}

/** A date as AWS's JSON protocols write it, in seconds since 1970. */
export const toEpochSeconds = (date: string | undefined) => date && Date.parse(date) / 1000

/** Tags as services list them. */
export const tagList = (tags: Record<string, string> = {}) =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
