import * as v from 'valibot'

/**
 * The events of CloudTrail that are reads of a secret or a parameter. BatchGetSecretValue is none of them: it writes a
 * GetSecretValue for each secret that it reads.
 */
export const READ_EVENT_NAMES = [
  'GetSecretValue',
  'GetParameter',
  'GetParameters',
  'GetParametersByPath',
  'GetParameterHistory',
] as const
export type ReadEventName = (typeof READ_EVENT_NAMES)[number]

/** Characters of a name or an ARN, as the services take them. */
const MAX_NAME_LENGTH = 2048
const text = v.optional(v.pipe(v.string(), v.maxLength(MAX_NAME_LENGTH)))

/**
 * What is looked at of an event. Parameter Store leaves `requestParameters` null where it refuses a call.
 * See https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
 */
const readEvent = v.object({
  eventName: v.picklist(READ_EVENT_NAMES),
  errorCode: text,
  errorMessage: v.optional(v.string()),
  sourceIPAddress: text,
  requestParameters: v.nullish(
    v.object({
      secretId: text,
      name: text,
      names: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(MAX_NAME_LENGTH))), v.maxLength(50))),
      path: text,
      recursive: v.optional(v.boolean()),
      nextToken: v.optional(v.string()),
    }),
  ),
  userIdentity: v.object({
    type: text,
    arn: text,
    accountId: text,
    principalId: text,
    userName: text,
    invokedBy: text,
    onBehalfOf: v.optional(v.object({ userId: text })),
    sessionContext: v.optional(v.object({ sessionIssuer: v.optional(v.object({ type: text, arn: text })) })),
  }),
})
export type ReadEvent = v.InferOutput<typeof readEvent>

/** A read, as CloudTrail writes it into an event; undefined for what cannot be made out. */
export function readEventIn(json: string | undefined): ReadEvent | undefined {
  try {
    const { success, output } = v.safeParse(readEvent, JSON.parse(json ?? ''))
    return success ? output : undefined
  } catch {
    return undefined
  }
}

/** Whether an event that cannot be made out may be of a call that went well: then somebody has read nobody knows what. */
export function mayHaveRead(json: string | undefined): boolean {
  try {
    return typeof (JSON.parse(json ?? '') as { errorCode?: unknown } | null)?.errorCode !== 'string'
  } catch {
    return true
  }
}

/**
 * What came of a call: the value was `read`; or it was by Parameter Store itself, `forwarded` for whoever asked that for
 * `/aws/reference/secretsmanager/…`; or AWS `denied` it. Undefined: it failed otherwise, and nobody got or was refused anything.
 */
export function readResultOf(event: ReadEvent): 'read' | 'forwarded' | 'denied' | undefined {
  if (event.errorCode !== undefined) return isDenial(event.errorCode) ? 'denied' : undefined
  const { eventName, sourceIPAddress, userIdentity } = event
  const forwarded = [sourceIPAddress, userIdentity.invokedBy].includes('ssm.amazonaws.com')
  return eventName === 'GetSecretValue' && forwarded ? 'forwarded' : 'read'
}

/** By the service, by the policy of an endpoint in a VPC, or by KMS. */
const isDenial = (code: string) => /AccessDenied|UnauthorizedOperation/.test(code)
