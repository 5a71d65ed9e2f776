import { itemOf } from '../../../fleet/records/recordTable.ts'
import { AwsError } from '../awsError.ts'
import type { AccountState } from './accountState.ts'
import type { DeclaredEvent } from './declared.ts'
import { type Action, pageOf, resourceNotFoundError, toEpochSeconds } from './request.ts'

/**
 * A page of a scan ends after so many bytes, which are counted before the projection leaves attributes out:
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html
 */
const SCAN_PAGE_BYTES = 1_000_000

/** AWS Lambda: the configuration of a function. */
export const lambda: Record<string, Action> = {
  GetFunctionConfiguration: ({ FunctionName }, { accountState, region }) => {
    const found = accountState.regions
      .get(region)
      ?.functions.find(({ arn }) => arn === FunctionName || arn.endsWith(`:function:${FunctionName}`))
    if (!found) throw resourceNotFoundError(`Function ${FunctionName}`)
    const { arn, runtime, state } = found
    const LastModified = '2026-01-01T00:00:00.000+0000'
    return {
      FunctionName: arn.split(':').at(-1),
      FunctionArn: arn,
      Runtime: runtime,
      State: state,
      LastModified,
      Version: '$LATEST',
    }
  },
}

/** AWS CloudTrail: the events with one name. */
export const cloudTrail: Record<string, Action> = {
  LookupEvents: (
    { LookupAttributes, StartTime, EndTime, MaxResults, NextToken },
    { accountState, region },
  ) => {
    const [attribute, more] = (LookupAttributes ?? []) as { AttributeKey: string; AttributeValue: string }[]
    if (attribute?.AttributeKey !== 'EventName' || more)
      throw new AwsError('InvalidLookupAttributesException', 'Only EventName is played here.')
    const [from, to] = [Number(StartTime ?? 0), Number(EndTime ?? Number.POSITIVE_INFINITY)]
    const found = (accountState.regions.get(region)?.events ?? []).filter(({ eventName, eventTime }) => {
      const at = Date.parse(eventTime) / 1000
      return eventName === attribute.AttributeValue && at >= from && at <= to
    })
    const { page, next } = pageOf(found, { start: NextToken, wanted: MaxResults, most: 50 })
    return { Events: page.map(event => eventOf(event, accountState, region)), NextToken: next }
  },
}

/** An event as LookupEvents answers it: a few members of the record, and the record itself as a text of JSON. */
function eventOf(declared: DeclaredEvent, { account }: AccountState, region: string): object {
  const isOfSecretsManager = declared.eventName === 'GetSecretValue'
  const record = {
    eventVersion: '1.11',
    awsRegion: region,
    readOnly: true,
    eventType: 'AwsApiCall',
    managementEvent: true,
    eventCategory: 'Management',
    recipientAccountId: account,
    requestParameters: null,
    responseElements: null,
    eventSource: isOfSecretsManager ? 'secretsmanager.amazonaws.com' : 'ssm.amazonaws.com',
    eventID: '',
    userIdentity: { type: 'IAMUser', arn: `arn:aws:iam::${account}:user/somebody`, userName: 'somebody' },
    ...declared,
  }
  return {
    EventId: record.eventID,
    EventName: record.eventName,
    EventSource: record.eventSource,
    EventTime: toEpochSeconds(record.eventTime),
    ReadOnly: 'true',
    Resources: [],
    CloudTrailEvent: JSON.stringify(record),
  }
}

/** IAM Access Analyzer: one analyzer, and a finding for each secret that others may read. */
export const accessAnalyzer: Record<string, Action> = {
  ListAnalyzers: (_, { accountState, region }) => ({
    analyzers: accountState.regions.get(region)?.analyzer
      ? [
          {
            arn: analyzerArn(accountState, region),
            name: 'account',
            type: 'ACCOUNT',
            status: 'ACTIVE',
            createdAt: '2026-01-01T00:00:00Z',
          },
        ]
      : [],
  }),

  ListFindings: ({ analyzerArn: arn, nextToken, maxResults }, { accountState, region }) => {
    if (arn !== analyzerArn(accountState, region)) throw resourceNotFoundError('The analyzer')
    const exposed = [...(accountState.regions.get(region)?.secrets.values() ?? [])].filter(
      ({ exposedTo }) => exposedTo,
    )
    const { page, next } = pageOf(exposed, { start: nextToken, wanted: maxResults, most: 100 })
    const at = accountState.moment.toISOString()
    return {
      findings: page.map(({ arn, exposedTo = '' }) => ({
        id: arn,
        resource: arn,
        resourceType: 'AWS::SecretsManager::Secret',
        status: 'ACTIVE',
        principal: { AWS: exposedTo },
        isPublic: exposedTo === '*',
        condition: {},
        action: [],
        createdAt: at,
        updatedAt: at,
        analyzedAt: at,
        resourceOwnerAccount: accountState.account,
      })),
      nextToken: next,
    }
  },
}

const analyzerArn = ({ account }: AccountState, region: string) =>
  `arn:aws:access-analyzer:${region}:${account}:analyzer/account`

/** Which attributes a scan returns. */
type Projection = { ProjectionExpression?: string; ExpressionAttributeNames?: Record<string, string> }

/** Amazon DynamoDB: scans of the stack's table of rotations. */
export const dynamoDb: Record<string, Action> = {
  Scan: (input, { accountState, region }) => {
    const { rotations = [], stack } = accountState.regions.get(region) ?? {}
    if (input.TableName !== stack?.outputs.RotationTableName)
      throw resourceNotFoundError('Requested resource')
    const { ProjectionExpression, ExpressionAttributeNames = {} } = input as Projection
    const names = ProjectionExpression?.split(',').map(
      name => ExpressionAttributeNames[name.trim()] ?? name.trim(),
    )
    const from = Number(
      (input.ExclusiveStartKey as { rotation?: { N: string } } | undefined)?.rotation?.N ?? 0,
    )
    let [to, size] = [from, 0]
    const most = Number(input.Limit ?? Number.POSITIVE_INFINITY)
    while (to < rotations.length && size < SCAN_PAGE_BYTES && to - from < most)
      size += JSON.stringify(rotations[to++]).length
    const Items = rotations.slice(from, to).map(record => {
      const item = itemOf(record, 1)
      return names
        ? Object.fromEntries(names.flatMap(name => (item[name] ? [[name, item[name]]] : [])))
        : item
    })
    const LastEvaluatedKey = to < rotations.length ? { rotation: { N: `${to}` } } : undefined
    return { Items, Count: Items.length, ScannedCount: to - from, LastEvaluatedKey }
  },
}
