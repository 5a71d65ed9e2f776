/** The rate limit of an operation, for an account in a Region. */
export type RateLimit = {
  /** Calls a second. As AWS does not say how many calls may come at once, as many as in one second are taken for the most. */
  perSecond: number
  /** The page of AWS and the day on which it was read; or a text that says that the limit is a guess. */
  source: string
}

const QUOTAS_PAGE =
  'https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html, 2026-11-30'
const UNPUBLISHED_LIMIT =
  'AWS publishes no number: a careful guess, which a throttled answer lowers, 2026-11-30'

/** The name of each service for a reader, by the name that request signatures have for it. */
export const SERVICE_NAMES = {
  secretsmanager: 'Secrets Manager',
  ssm: 'Parameter Store',
  tagging: 'Resource Groups Tagging API',
  lambda: 'Lambda',
  cloudtrail: 'CloudTrail',
  sns: 'SNS',
  cloudformation: 'CloudFormation',
  'access-analyzer': 'Access Analyzer',
  dynamodb: 'DynamoDB',
}
/** A key of SERVICE_NAMES. */
export type ServiceKey = keyof typeof SERVICE_NAMES

/** The limits by service and operation. */
const RATE_LIMITS: Record<ServiceKey, Record<string, [perSecond: number, source: string]>> = {
  secretsmanager: {
    ListSecrets: [
      100,
      'https://aws.amazon.com/about-aws/whats-new/2022/11/aws-secrets-manager-increases-api-requests-per-second-limits, 2026-11-30',
    ],
    DescribeSecret: [
      40_000,
      'https://aws.amazon.com/about-aws/whats-new/2025/03/aws-secrets-manager-increases-api-requests-seconds, 2026-11-30',
    ],
    GetResourcePolicy: [50, QUOTAS_PAGE],
    ListSecretVersionIds: [50, QUOTAS_PAGE],
  },
  ssm: { DescribeParameters: [5, UNPUBLISHED_LIMIT], GetResourcePolicies: [10, UNPUBLISHED_LIMIT] },
  tagging: { GetResources: [15, UNPUBLISHED_LIMIT] },
  lambda: {
    GetFunctionConfiguration: [
      15,
      'https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, 2026-11-30',
    ],
  },
  cloudtrail: {
    LookupEvents: [
      2,
      'https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html, 2026-11-30',
    ],
  },
  sns: {
    ListSubscriptionsByTopic: [
      30,
      'https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html, 2026-11-30',
    ],
  },
  cloudformation: { DescribeStacks: [5, UNPUBLISHED_LIMIT], ListStackResources: [5, UNPUBLISHED_LIMIT] },
  'access-analyzer': { ListAnalyzers: [5, UNPUBLISHED_LIMIT], ListFindings: [5, UNPUBLISHED_LIMIT] },
  dynamodb: { Scan: [10, UNPUBLISHED_LIMIT] },
}

/** The rate limit of an operation; undefined for one that has none here, as an audit does not call it. */
export function rateLimitOf(service: string, operation: string): RateLimit | undefined {
  const found = RATE_LIMITS[service as ServiceKey]?.[operation]
  if (!found) return undefined
  const [perSecond, source] = found
  return { perSecond, source }
}
