import type { AccessAnalyzerClient } from '@aws-sdk/client-accessanalyzer'
import type { CloudFormationClient } from '@aws-sdk/client-cloudformation'
import type { CloudTrailClient } from '@aws-sdk/client-cloudtrail'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { LambdaClient } from '@aws-sdk/client-lambda'
import type { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api'
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { SNSClient } from '@aws-sdk/client-sns'
import type { SSMClient } from '@aws-sdk/client-ssm'
import type { RateLimiter } from '../rateLimiter.ts'

/** The clients of one Region. Each is a function, so that a client is loaded and made only if it is needed. */
type RegionClients = {
  cloudFormation(): Promise<CloudFormationClient>
  secrets(): Promise<SecretsManagerClient>
  parameters(): Promise<SSMClient>
  tagging(): Promise<ResourceGroupsTaggingAPIClient>
  dynamo(): Promise<DynamoDBClient>
  lambda(): Promise<LambdaClient>
  cloudTrail(): Promise<CloudTrailClient>
  accessAnalyzer(): Promise<AccessAnalyzerClient>
  sns(): Promise<SNSClient>
}

/** The clients that an audit uses in one Region, and a way to those of other Regions. */
export type AuditClients = RegionClients & { forRegion(region: string): AuditClients }

/** The clients of a Region, all of whose calls keep to AWS's rate limits. */
export function rateLimitedClients(
  { clients, rateLimiter }: { clients: AuditClients; rateLimiter: RateLimiter },
  region: string,
): RegionClients {
  const regional = clients.forRegion(region)
  return {
    cloudFormation: async () => rateLimiter.limit(await regional.cloudFormation(), 'cloudformation', region),
    secrets: async () => rateLimiter.limit(await regional.secrets(), 'secretsmanager', region),
    parameters: async () => rateLimiter.limit(await regional.parameters(), 'ssm', region),
    tagging: async () => rateLimiter.limit(await regional.tagging(), 'tagging', region),
    dynamo: async () => rateLimiter.limit(await regional.dynamo(), 'dynamodb', region),
    lambda: async () => rateLimiter.limit(await regional.lambda(), 'lambda', region),
    cloudTrail: async () => rateLimiter.limit(await regional.cloudTrail(), 'cloudtrail', region),
    accessAnalyzer: async () => rateLimiter.limit(await regional.accessAnalyzer(), 'access-analyzer', region),
    sns: async () => rateLimiter.limit(await regional.sns(), 'sns', region),
  }
}
