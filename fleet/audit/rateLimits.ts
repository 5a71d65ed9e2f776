/** How many calls a service takes of an account in a Region. */
export type RateLimit = {
  /** As many may come at once, too: of these AWS publishes no number for that. */
  perSecond: number
  /** Where AWS says so, and when that was looked up; or why it is no more than a guess. */
  source: string
}

const QUOTAS_PAGE =
  'https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html, 2026-11-30'
const UNPUBLISHED_LIMIT =
  'AWS publishes no number: a careful guess, which a throttled answer lowers, 2026-11-30'

/** What each service is called, by the name that signatures have for it. */
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
export type ServiceKey = keyof typeof SERVICE_NAMES

/** By the name that signatures have for the service, and then by operation. */
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

/** What limits an operation; undefined for one that an audit does not call. */
export function rateLimitOf(service: string, operation: string): RateLimit | undefined {
  const found = RATE_LIMITS[service as ServiceKey]?.[operation]
  if (!found) return undefined
  const [perSecond, source] = found
  return { perSecond, source }
}
