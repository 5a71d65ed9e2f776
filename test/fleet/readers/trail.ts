import type { Event } from '@aws-sdk/client-cloudtrail'
import type { LookupEvents } from '../../../fleet/readers/sweep.ts'

export const account = '123456789012'

/** A `userIdentity` as CloudTrail writes it for a role that somebody has assumed. */
export const session = (role: string, name: string, path = '/') => ({
  type: 'AssumedRole',
  principalId: `AROAIDPPEZS35WEXAMPLE:${name}`,
  arn: `arn:aws:sts::${account}:assumed-role/${role}/${name}`,
  accountId: account,
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  sessionContext: {
    sessionIssuer: {
      type: 'Role',
      principalId: 'AROAIDPPEZS35WEXAMPLE',
      arn: `arn:aws:iam::${account}:role${path}${role}`,
      accountId: account,
      userName: role,
    },
    attributes: { creationDate: '2026-11-30T05:00:00Z', mfaAuthenticated: 'false' },
  },
})

export const user = (name: string) => ({
  type: 'IAMUser',
  principalId: 'AIDAJ45Q7YFFAREXAMPLE',
  arn: `arn:aws:iam::${account}:user/${name}`,
  accountId: account,
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  userName: name,
})

type Detail = {
  eventName: string
  requestParameters: object | null
  userIdentity?: object
  errorCode?: string
  errorMessage?: string
  sourceIPAddress?: string
}

let ids = 0

/** An event as LookupEvents lists it. */
export function eventAt(at: string, detail: Detail): Event {
  const EventId = `event-${++ids}`
  const isSecret = detail.eventName === 'GetSecretValue'
  const written = {
    eventVersion: '1.11',
    userIdentity: user('Alice'),
    eventTime: at,
    eventSource: `${isSecret ? 'secretsmanager' : 'ssm'}.amazonaws.com`,
    awsRegion: 'eu-west-1',
    sourceIPAddress: '198.51.100.7',
    userAgent: 'aws-sdk-js/3.1162.0',
    responseElements: null,
    requestID: 'b5786406-e3c7-43d6-8d3c-6d5ef96e2278',
    eventID: EventId,
    readOnly: true,
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: account,
    eventCategory: 'Management',
    ...detail,
  }
  return {
    EventId,
    EventName: detail.eventName,
    ReadOnly: 'true',
    EventTime: new Date(at),
    EventSource: written.eventSource,
    CloudTrailEvent: JSON.stringify(written),
  }
}

/** Plays CloudTrail in a Region with these events, which it returns the newest first, as the service does. */
export function trailOf(events: Event[]): { lookup: LookupEvents; asked: Parameters<LookupEvents>[0][] } {
  const asked: Parameters<LookupEvents>[0][] = []
  const lookup: LookupEvents = async query => {
    asked.push(query)
    const { LookupAttributes: [attribute] = [], StartTime, EndTime, MaxResults = 50, NextToken } = query
    const isAsked = ({ EventName, EventTime = new Date(Number.NaN) }: Event) =>
      EventName === attribute?.AttributeValue &&
      EventTime >= (StartTime ?? EventTime) &&
      EventTime <= (EndTime ?? EventTime)
    const found = events.filter(isAsked).sort((a, b) => Number(b.EventTime) - Number(a.EventTime))
    // A token is valid only for the query that returned it.
    const [place = '0', of = `${EndTime}`] = NextToken?.split('|') ?? []
    if (of !== `${EndTime}`) throw Object.assign(new Error(), { name: 'InvalidNextTokenException' })
    const next = Number(place) + MaxResults
    const Events = found.slice(Number(place), next)
    return { Events, ...(next < found.length && { NextToken: `${next}|${EndTime}` }) }
  }
  return { lookup, asked }
}
