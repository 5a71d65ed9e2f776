import type { StackLocation } from './stackLocation.ts'

/** A permission: these actions on the ARNs that `on` makes for a stack. */
export type Grant = {
  Sid: string
  actions: readonly string[]
  on(location: StackLocation): string | string[]
}

/** A permission for the calls that CloudFormation makes in the caller's name for resources of these types. */
type ResourceGrant = Grant & { types: readonly string[] }

/** Makes a function that returns the ARN of a resource in the stack's Region. */
export const regionalArn =
  (service: string, resource: (location: StackLocation) => string) => (location: StackLocation) =>
    `arn:${location.partition}:${service}:${location.region}:${location.account}:${resource(location)}`
/** Makes a function that returns the ARN of all resources of a type whose names begin with the stack's prefix. */
export const ownArn = (service: string, type: string) =>
  regionalArn(service, ({ namePrefix }) => `${type}${namePrefix}-*`)
/**
 * The ARN of serverless's bucket. CloudFormation makes the bucket's name from that of the stack and the logical id
 * ServerlessDeploymentBucket, and shortens it.
 */
export const bucketArn = ({ partition, stack }: StackLocation) =>
  `arn:${partition}:s3:::${stack.toLowerCase()}-serverlessdeploymentbuck*`
const iamArn = (type: string) => (location: StackLocation) =>
  `arn:${location.partition}:iam::${location.account}:${type}/${location.stack}-*`
const actionsOf = (service: string, ...names: string[]) => names.map(name => `${service}:${name}`)

/**
 * The permissions to make functions, state machines and their roles: those that CloudFormation's schemas of these types list
 * under `handlers`, without those for properties that the template does not set.
 * @see https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
 */
export const functionGrants: readonly ResourceGrant[] = [
  {
    Sid: 'Functions',
    types: ['AWS::Lambda::Function', 'AWS::Lambda::Permission', 'AWS::Lambda::EventInvokeConfig'],
    actions: actionsOf(
      'lambda',
      ...['AddPermission', 'CreateFunction', 'DeleteFunction', 'DeleteFunctionEventInvokeConfig'],
      ...['GetFunction', 'GetFunctionCodeSigningConfig', 'GetFunctionEventInvokeConfig'],
      ...['GetFunctionRecursionConfig', 'GetFunctionScalingConfig', 'GetPolicy'],
      ...['GetRuntimeManagementConfig', 'PutFunctionEventInvokeConfig', 'RemovePermission'],
      ...['TagResource', 'UntagResource', 'UpdateFunctionCode', 'UpdateFunctionConfiguration'],
      'UpdateFunctionEventInvokeConfig',
    ),
    on: ownArn('lambda', 'function:'),
  },
  {
    // AWS chooses the id of the mapping when it makes it.
    Sid: 'QueueReaders',
    types: ['AWS::Lambda::EventSourceMapping'],
    actions: actionsOf(
      'lambda',
      ...['DeleteEventSourceMapping', 'GetEventSourceMapping', 'ListTags', 'TagResource'],
      ...['UntagResource', 'UpdateEventSourceMapping'],
    ),
    on: regionalArn('lambda', () => 'event-source-mapping:*'),
  },
  {
    // None of these calls allows a resource in a policy.
    Sid: 'WithoutResources',
    types: [
      'AWS::Lambda::EventSourceMapping',
      'AWS::Lambda::Function',
      'AWS::KMS::Key',
      'AWS::Logs::LogGroup',
    ],
    actions: [
      ...['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSecurityGroups', 'ec2:DescribeSubnets'],
      'ec2:DescribeVpcs',
      ...['kms:CreateKey', 'lambda:CreateEventSourceMapping', 'logs:DescribeLogGroups'],
    ],
    on: () => '*',
  },
  {
    Sid: 'Roles',
    types: ['AWS::IAM::Role'],
    actions: actionsOf(
      'iam',
      ...['CreateRole', 'DeleteRole', 'DeleteRolePolicy', 'GetRole', 'GetRolePolicy'],
      ...['ListAttachedRolePolicies', 'ListRolePolicies', 'PassRole', 'PutRolePolicy', 'TagRole'],
      ...['UntagRole', 'UpdateAssumeRolePolicy', 'UpdateRole', 'UpdateRoleDescription'],
    ),
    on: iamArn('role'),
  },
  {
    Sid: 'AuditPolicy',
    types: ['AWS::IAM::ManagedPolicy'],
    actions: actionsOf(
      'iam',
      ...['CreatePolicy', 'CreatePolicyVersion', 'DeletePolicy', 'DeletePolicyVersion', 'GetPolicy'],
      ...['GetPolicyVersion', 'ListEntitiesForPolicy', 'ListPolicyVersions'],
    ),
    on: iamArn('policy'),
  },
  {
    Sid: 'StateMachines',
    types: ['AWS::StepFunctions::StateMachine'],
    actions: actionsOf(
      'states',
      ...['CreateStateMachine', 'DeleteStateMachine', 'DescribeStateMachine', 'ListTagsForResource'],
      ...['TagResource', 'UntagResource', 'UpdateStateMachine'],
    ),
    on: ownArn('states', 'stateMachine:'),
  },
  {
    Sid: 'LogGroups',
    types: ['AWS::Logs::LogGroup'],
    actions: actionsOf(
      'logs',
      ...['CreateLogGroup', 'DeleteLogGroup', 'DeleteRetentionPolicy', 'DescribeIndexPolicies'],
      ...['GetDataProtectionPolicy', 'ListTagsForResource', 'PutRetentionPolicy', 'TagResource'],
      'UntagResource',
    ),
    on: location => [
      regionalArn('logs', ({ namePrefix }) => `log-group:/aws/lambda/${namePrefix}-*`)(location),
      regionalArn('logs', ({ namePrefix }) => `log-group:/aws/vendedlogs/states/${namePrefix}-*`)(location),
    ],
  },
  {
    Sid: 'Bucket',
    types: ['AWS::S3::Bucket', 'AWS::S3::BucketPolicy'],
    // CloudFormation reads all properties of a bucket, also those that are not set.
    actions: actionsOf(
      's3',
      ...['CreateBucket', 'DeleteBucket', 'DeleteBucketPolicy', 'Get*Configuration', 'GetBucket*'],
      ...['ListBucket', 'ListTagsForResource', 'PutBucketPolicy', 'PutBucketPublicAccessBlock'],
      ...['PutBucketTagging', 'PutEncryptionConfiguration', 'TagResource', 'UntagResource'],
    ),
    on: bucketArn,
  },
  {
    // Lambda reads the functions' code from the bucket.
    Sid: 'Packages',
    types: ['AWS::Lambda::Function'],
    actions: actionsOf('s3', 'GetObject', 'GetObjectVersion'),
    on: location => `${bucketArn(location)}/*`,
  },
]

/** The permissions to make all other resources: rules, schedules, queues, topics, the key, tables, alarms and the dashboard. */
export const resourceGrants: readonly ResourceGrant[] = [
  {
    Sid: 'Rules',
    types: ['AWS::Events::Rule'],
    actions: actionsOf(
      'events',
      ...['DeleteRule', 'DescribeRule', 'ListTagsForResource', 'ListTargetsByRule', 'PutRule'],
      ...['PutTargets', 'RemoveTargets', 'TagResource', 'UntagResource'],
    ),
    on: location => [
      regionalArn('events', ({ stack }) => `rule/${stack}-*`)(location),
      regionalArn('events', ({ stack }) => `rule/*/${stack}-*`)(location),
    ],
  },
  {
    Sid: 'Schedules',
    types: ['AWS::Scheduler::Schedule'],
    actions: actionsOf('scheduler', 'CreateSchedule', 'DeleteSchedule', 'GetSchedule', 'UpdateSchedule'),
    on: ownArn('scheduler', 'schedule/default/'),
  },
  {
    Sid: 'Queues',
    types: ['AWS::SQS::Queue', 'AWS::SQS::QueuePolicy'],
    actions: actionsOf(
      'sqs',
      ...['CreateQueue', 'DeleteQueue', 'GetQueueAttributes', 'GetQueueUrl', 'ListQueueTags'],
      ...['SetQueueAttributes', 'TagQueue', 'UntagQueue'],
    ),
    on: ownArn('sqs', ''),
  },
  {
    Sid: 'Topics',
    types: ['AWS::SNS::Topic', 'AWS::SNS::Subscription'],
    actions: actionsOf(
      'sns',
      ...['CreateTopic', 'DeleteTopic', 'GetDataProtectionPolicy', 'GetSubscriptionAttributes'],
      ...['GetTopicAttributes', 'ListSubscriptionsByTopic', 'ListTagsForResource'],
      ...['SetSubscriptionAttributes', 'SetTopicAttributes', 'Subscribe', 'TagResource', 'Unsubscribe'],
      'UntagResource',
    ),
    on: ownArn('sns', ''),
  },
  {
    // AWS chooses the id of the key when it makes it.
    Sid: 'Key',
    types: ['AWS::KMS::Key'],
    actions: actionsOf(
      'kms',
      ...['DescribeKey', 'DisableKey', 'DisableKeyRotation', 'EnableKey', 'EnableKeyRotation'],
      ...['GetKeyPolicy', 'GetKeyRotationStatus', 'ListResourceTags', 'PutKeyPolicy'],
      ...['ScheduleKeyDeletion', 'TagResource', 'UntagResource', 'UpdateKeyDescription'],
    ),
    on: regionalArn('kms', () => 'key/*'),
  },
  {
    Sid: 'Tables',
    types: ['AWS::DynamoDB::Table'],
    actions: actionsOf(
      'dynamodb',
      ...['CreateTable', 'DeleteTable', 'DescribeContinuousBackups', 'DescribeContributorInsights'],
      ...['DescribeKinesisStreamingDestination', 'DescribeTable', 'DescribeTimeToLive'],
      ...['GetResourcePolicy', 'ListTagsOfResource', 'TagResource', 'UntagResource'],
      ...['UpdateContinuousBackups', 'UpdateTable', 'UpdateTimeToLive'],
    ),
    on: ownArn('dynamodb', 'table/'),
  },
  {
    Sid: 'Alarms',
    types: ['AWS::CloudWatch::Alarm'],
    actions: actionsOf(
      'cloudwatch',
      ...['DeleteAlarms', 'DescribeAlarms', 'ListTagsForResource', 'PutMetricAlarm', 'TagResource'],
      'UntagResource',
    ),
    on: ownArn('cloudwatch', 'alarm:'),
  },
  {
    Sid: 'Dashboard',
    types: ['AWS::CloudWatch::Dashboard'],
    actions: actionsOf(
      'cloudwatch',
      ...['DeleteDashboards', 'GetDashboard', 'ListTagsForResource', 'PutDashboard', 'TagResource'],
      'UntagResource',
    ),
    on: ({ partition, account, namePrefix }) =>
      `arn:${partition}:cloudwatch::${account}:dashboard/${namePrefix}-*`,
  },
]
