import type { ReadEvent } from './event.ts'

/**
 * What a call asked for: `secret:` or `parameter:` with the name or ARN as the caller wrote it; or `below:` or `far-below:`
 * with a path, for the parameters right below it, or however deep.
 */
export type Target = `${'secret' | 'parameter' | 'below' | 'far-below'}:${string}`

/** All that a call asked for. Empty for a further page of an answer, whose first page has counted; undefined: it is not told. */
export function targetsOf(event: ReadEvent): Target[] | undefined {
  const { eventName, requestParameters } = event
  if (requestParameters?.nextToken) return []
  const { secretId, name, names, path, recursive } = requestParameters ?? {}
  const refused = refusedIn(event)
  switch (eventName) {
    case 'GetSecretValue':
      return only('secret', secretId ?? refused)
    case 'GetParameters':
      return names ? names.map(each => `parameter:${each}` as const) : only('parameter', refused)
    case 'GetParametersByPath':
      return only(recursive || path === undefined ? 'far-below' : 'below', path ?? pathIn(refused))
    default:
      return only('parameter', name ?? refused)
  }
}

const only = (kind: 'secret' | 'parameter' | 'below' | 'far-below', id: string | undefined) =>
  id === undefined ? undefined : [`${kind}:${id}` as const]

/** What IAM's sentence about a refusal names. */
const refusedIn = ({ errorMessage = '' }: ReadEvent) => / on resource: (\S{1,2048})/.exec(errorMessage)?.[1]

const pathIn = (arn = '') => /:parameter(\/.*)$/.exec(arn)?.[1]
