import type { StackLocation } from './policyResources.ts'

/** What a service may be asked for, and of what. */
export type Grant = { Sid: string; actions: readonly string[]; on(ground: StackLocation): string | string[] }

/** What CloudFormation calls in the caller's name for resources of these types. */
type ResourceGrant = Grant & { types: readonly string[] }

export const regionalArn =
  (service: string, resource: (ground: StackLocation) => string) => (ground: StackLocation) =>
    `arn:${ground.partition}:${service}:${ground.region}:${ground.account}:${resource(ground)}`
export const ownArn = (service: string, type: string) =>
  regionalArn(service, ({ namePrefix }) => `${type}${namePrefix}-*`)
/** CloudFormation makes the name up of the stack's, and cuts it where it gets too long. */
export const bucketArn = ({ partition, stack }: StackLocation) =>
  `arn:${partition}:s3:::${stack.toLowerCase()}-serverlessdeploymentbuck*`
const iamArn = (type: string) => (ground: StackLocation) =>
  `arn:${ground.partition}:iam::${ground.account}:${type}/${ground.stack}-*`
const actionsOf = (service: string, ...names: string[]) => names.map(name => `${service}:${name}`)

/**
 * What CloudFormation's own schemas of these types name under `handlers`, without what is for properties that the template does
 * not set. https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
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
    // Its id is not known before it is made.
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
    // None of these is about a resource that could be named.
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
    on: ground => [
      regionalArn('logs', ({ namePrefix }) => `log-group:/aws/lambda/${namePrefix}-*`)(ground),
      regionalArn('logs', ({ namePrefix }) => `log-group:/aws/vendedlogs/states/${namePrefix}-*`)(ground),
    ],
  },
  {
    Sid: 'Bucket',
    types: ['AWS::S3::Bucket', 'AWS::S3::BucketPolicy'],
    // Whichever property is set, all are read.
    actions: actionsOf(
      's3',
      ...['CreateBucket', 'DeleteBucket', 'DeleteBucketPolicy', 'Get*Configuration', 'GetBucket*'],
      ...['ListBucket', 'ListTagsForResource', 'PutBucketPolicy', 'PutBucketPublicAccessBlock'],
      ...['PutBucketTagging', 'PutEncryptionConfiguration', 'TagResource', 'UntagResource'],
    ),
    on: bucketArn,
  },
  {
    // The functions' code.
    Sid: 'Packages',
    types: ['AWS::Lambda::Function'],
    actions: actionsOf('s3', 'GetObject', 'GetObjectVersion'),
    on: ground => `${bucketArn(ground)}/*`,
  },
]

/** The same for what the functions read, write and are called by. */
export const resourceGrants: readonly ResourceGrant[] = [
  {
    Sid: 'Rules',
    types: ['AWS::Events::Rule'],
    actions: actionsOf(
      'events',
      ...['DeleteRule', 'DescribeRule', 'ListTagsForResource', 'ListTargetsByRule', 'PutRule'],
      ...['PutTargets', 'RemoveTargets', 'TagResource', 'UntagResource'],
    ),
    on: ground => [
      regionalArn('events', ({ stack }) => `rule/${stack}-*`)(ground),
      regionalArn('events', ({ stack }) => `rule/*/${stack}-*`)(ground),
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
    // Its id is not known before it is made.
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
