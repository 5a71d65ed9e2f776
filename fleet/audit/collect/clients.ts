import type { AccessAnalyzerClient } from '@aws-sdk/client-accessanalyzer'
import type { CloudFormationClient } from '@aws-sdk/client-cloudformation'
import type { CloudTrailClient } from '@aws-sdk/client-cloudtrail'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { LambdaClient } from '@aws-sdk/client-lambda'
import type { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api'
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { SNSClient } from '@aws-sdk/client-sns'
import type { SSMClient } from '@aws-sdk/client-ssm'
import type { Pace } from '../pace.ts'

type Made = {
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
export type AuditClients = Made & { in(region: string): AuditClients }

/** Those of one Region, each of whose calls waits for its turn. */
export function pacedIn({ clients, pace }: { clients: AuditClients; pace: Pace }, region: string): Made {
  const there = clients.in(region)
  return {
    cloudFormation: async () => pace.over(await there.cloudFormation(), 'cloudformation', region),
    secrets: async () => pace.over(await there.secrets(), 'secretsmanager', region),
    parameters: async () => pace.over(await there.parameters(), 'ssm', region),
    tagging: async () => pace.over(await there.tagging(), 'tagging', region),
    dynamo: async () => pace.over(await there.dynamo(), 'dynamodb', region),
    lambda: async () => pace.over(await there.lambda(), 'lambda', region),
    cloudTrail: async () => pace.over(await there.cloudTrail(), 'cloudtrail', region),
    accessAnalyzer: async () => pace.over(await there.accessAnalyzer(), 'access-analyzer', region),
    sns: async () => pace.over(await there.sns(), 'sns', region),
  }
}
