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

/** The clients of one Region that an audit asks, and those of other Regions. */
export type AuditClients = RegionClients & { forRegion(region: string): AuditClients }

/** Those of one Region, each of whose calls waits for its turn. */
export function rateLimitedClients(
  { clients, rateLimiter }: { clients: AuditClients; rateLimiter: RateLimiter },
  region: string,
): RegionClients {
  const there = clients.forRegion(region)
  return {
    cloudFormation: async () => rateLimiter.limit(await there.cloudFormation(), 'cloudformation', region),
    secrets: async () => rateLimiter.limit(await there.secrets(), 'secretsmanager', region),
    parameters: async () => rateLimiter.limit(await there.parameters(), 'ssm', region),
    tagging: async () => rateLimiter.limit(await there.tagging(), 'tagging', region),
    dynamo: async () => rateLimiter.limit(await there.dynamo(), 'dynamodb', region),
    lambda: async () => rateLimiter.limit(await there.lambda(), 'lambda', region),
    cloudTrail: async () => rateLimiter.limit(await there.cloudTrail(), 'cloudtrail', region),
    accessAnalyzer: async () => rateLimiter.limit(await there.accessAnalyzer(), 'access-analyzer', region),
    sns: async () => rateLimiter.limit(await there.sns(), 'sns', region),
  }
}
