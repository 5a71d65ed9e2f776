import * as v from 'valibot'

/**
 * The names of CloudTrail's events for reads of a secret or a parameter. BatchGetSecretValue is none of them, as it also writes a
 * GetSecretValue for each secret that it reads:
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html
 */
export const READ_EVENT_NAMES = [
  'GetSecretValue',
  'GetParameter',
  'GetParameters',
  'GetParametersByPath',
  'GetParameterHistory',
] as const
/** One of READ_EVENT_NAMES. */
export type ReadEventName = (typeof READ_EVENT_NAMES)[number]

/** The services take no longer name or ARN. */
const MAX_NAME_LENGTH = 2048
const text = v.optional(v.pipe(v.string(), v.maxLength(MAX_NAME_LENGTH)))

/**
 * The fields of an event that are used. Parameter Store sets `requestParameters` to null where it refuses a call.
 * https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
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
/** A read, with the fields of CloudTrail's event that are used. */
export type ReadEvent = v.InferOutput<typeof readEvent>

/** Parses the JSON of an event. Undefined if the event has not the form of a read. */
export function readEventIn(json: string | undefined): ReadEvent | undefined {
  try {
    const { success, output } = v.safeParse(readEvent, JSON.parse(json ?? ''))
    return success ? output : undefined
  } catch {
    return undefined
  }
}

/** Whether an event that cannot be parsed may be of a successful call, so that a read is missing from the result. */
export function mayHaveRead(json: string | undefined): boolean {
  try {
    return typeof (JSON.parse(json ?? '') as { errorCode?: unknown } | null)?.errorCode !== 'string'
  } catch {
    return true
  }
}

/**
 * How a call ended. `read`: the caller got the value. `forwarded`: Parameter Store read a secret for a caller that asked for
 * `/aws/reference/secretsmanager/NAME`. `denied`: AWS refused the call.
 * @returns undefined if the call failed for another reason
 */
export function readResultOf(event: ReadEvent): 'read' | 'forwarded' | 'denied' | undefined {
  if (event.errorCode !== undefined) return isDenial(event.errorCode) ? 'denied' : undefined
  const { eventName, sourceIPAddress, userIdentity } = event
  const forwarded = [sourceIPAddress, userIdentity.invokedBy].includes('ssm.amazonaws.com')
  return eventName === 'GetSecretValue' && forwarded ? 'forwarded' : 'read'
}

/** Whether a call was refused: by the service, by the policy of a VPC endpoint, or by KMS. */
const isDenial = (code: string) => /AccessDenied|UnauthorizedOperation/.test(code)
