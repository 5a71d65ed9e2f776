import type { ReadEvent } from './readEvent.ts'

/**
 * What a call asked for: `secret:` or `parameter:` with the name or ARN as the caller wrote it; or `below:` or `far-below:`
 * with a path, for the parameters right below it, or however deep.
 */
export type ReadTarget = `${'secret' | 'parameter' | 'below' | 'far-below'}:${string}`

/** All that a call asked for. Empty for a further page of an answer, whose first page has counted; undefined: it is not told. */
export function readTargetsOf(event: ReadEvent): ReadTarget[] | undefined {
  const { eventName, requestParameters } = event
  if (requestParameters?.nextToken) return []
  const { secretId, name, names, path, recursive } = requestParameters ?? {}
  const refused = refusedArnIn(event)
  switch (eventName) {
    case 'GetSecretValue':
      return oneTarget('secret', secretId ?? refused)
    case 'GetParameters':
      return names ? names.map(each => `parameter:${each}` as const) : oneTarget('parameter', refused)
    case 'GetParametersByPath':
      return oneTarget(recursive || path === undefined ? 'far-below' : 'below', path ?? pathIn(refused))
    default:
      return oneTarget('parameter', name ?? refused)
  }
}

const oneTarget = (kind: 'secret' | 'parameter' | 'below' | 'far-below', id: string | undefined) =>
  id === undefined ? undefined : [`${kind}:${id}` as const]

/** What IAM's sentence about a refusal names. */
const refusedArnIn = ({ errorMessage = '' }: ReadEvent) =>
  / on resource: (\S{1,2048})/.exec(errorMessage)?.[1]

const pathIn = (arn = '') => /:parameter(\/.*)$/.exec(arn)?.[1]
