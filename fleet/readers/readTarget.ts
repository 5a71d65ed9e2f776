import type { ReadEvent } from './readEvent.ts'

/**
 * What a call asked for: `secret:` or `parameter:` with the name or ARN that the caller wrote; or a path of parameters, `below:`
 * for those directly below it, and `far-below:` for those at any depth.
 */
export type ReadTarget = `${'secret' | 'parameter' | 'below' | 'far-below'}:${string}`

/**
 * Everything that a call asked for. It is empty for a further page of an answer, as the call for the first page is counted.
 * @returns undefined if the event does not tell
 */
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

/** The ARN in the message of a refusal, such as `User: … is not authorized to perform: … on resource: ARN …`. */
const refusedArnIn = ({ errorMessage = '' }: ReadEvent) =>
  / on resource: (\S{1,2048})/.exec(errorMessage)?.[1]

const pathIn = (arn = '') => /:parameter(\/.*)$/.exec(arn)?.[1]
