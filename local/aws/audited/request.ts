import type { IncomingMessage } from 'node:http'
import { AwsError } from '../awsError.ts'
import type { AccountState } from './accountState.ts'

/** One call, as a test counts it. It holds nothing of the answer. */
export type Call = {
  service: string
  action: string
  region: string
  /** The secret, parameter, function or table that it is about. */
  resource?: string
  /** Milliseconds since the account was started. */
  atMs: number
  /** What it was refused with. */
  error?: string
}

export const resourceNotFoundError = (what: string) =>
  new AwsError('ResourceNotFoundException', `${what} is not there`, 404)

export type Input = Record<string, unknown>

/** How the service speaks: JSON by target, JSON by path, or a form that is answered in XML. */
export type Protocol = 'json' | 'rest-json' | 'query'

export type ParsedRequest = {
  service: string
  region: string
  action: string
  protocol: Protocol
  input: Input
}

/** What an action answers. An answer in XML is the text inside of `<ActionResult>`. */
export type Action = (input: Input, where: CallContext) => object | string
export type CallContext = {
  accountState: AccountState
  region: string
  /** In which order lists come: a number for each thing listed. */
  orderOf: (name: string) => number | string
}

/** Which call a request is: the service and the Region are in the scope of its signature. */
export function parseRequest(incoming: IncomingMessage, body: string): ParsedRequest {
  const { authorization, 'x-amz-target': target } = incoming.headers
  const [, region = '', service = ''] =
    /Credential=[^/]+\/\d{8}\/([^/]+)\/([^/]+)\//.exec(`${authorization}`) ?? []
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

/** What a call is about, by the names that services have for it. */
export function resourceNameIn({
  SecretId,
  ResourceArn,
  FunctionName,
  TableName,
  StackName,
  TopicArn,
  analyzerArn,
}: Input): string | undefined {
  const about = SecretId ?? ResourceArn ?? FunctionName ?? TableName ?? StackName ?? TopicArn ?? analyzerArn
  return about === undefined ? undefined : `${about}`
}

/** What a Region has of something, in the order in which lists come. */
export const sortForListing = <Item extends { name: string }>(
  all: Iterable<Item>,
  { orderOf }: CallContext,
): Item[] =>
  [...all]
    .map(item => ({ item, order: orderOf(item.name) }))
    .sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0))
    .map(({ item }) => item)

/** A page of what is listed, in the order that is wanted, and the token of the next. */
export function pageOf<Item>(
  all: Item[],
  { start, most, least }: { start: unknown; most: unknown; least: number },
): { page: Item[]; next: string | undefined } {
  const size = Math.min(Number(most ?? least), least)
  const from = Number(Buffer.from(`${start ?? ''}`, 'base64').toString() || 0)
  if (!Number.isSafeInteger(from) || from > all.length)
    throw new AwsError('InvalidNextTokenException', 'The token is none of this list.')
  const end = from + size
  return {
    page: all.slice(from, end),
    next: end < all.length ? Buffer.from(`${end}`).toString('base64') : undefined,
  }
}

/** AWS's JSON has dates as seconds. */
export const toEpochSeconds = (date: string | undefined) => date && Date.parse(date) / 1000

/** As services list them. */
export const tagList = (tags: Record<string, string> = {}) =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
