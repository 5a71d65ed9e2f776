import { ofSetAdmin, writePending, writeSecret } from './setAdminLimits.ts'

const read = ['secretsmanager:GetSecretValue']
const keyturnSecrets = (actions: string[]) => ({ RotatedByThisStack: actions, TaggedManaged: actions })
const describeSecret = ['secretsmanager:DescribeSecret']
const adminSecrets = {
  TaggedAdmin: read,
  ListedAdmins: read,
  ManagedMasters: describeSecret,
  ListedManagedMasters: describeSecret,
  Databases: ['rds:DescribeDBClusters', 'rds:DescribeDBInstances'],
}
const masters = { MasterPasswords: ['rds:ModifyDBCluster', 'rds:ModifyDBInstance'] }
const everyFunction = {
  OwnLogs: ['logs:CreateLogStream', 'logs:PutLogEvents'],
  Traces: ['xray:PutTelemetryRecords', 'xray:PutTraceSegments'],
}
const networkInterfaces = [
  'ec2:AssignPrivateIpAddresses',
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:UnassignPrivateIpAddresses',
]
const vpc = { NetworkInterfaces: networkInterfaces, NotByOwnCode: networkInterfaces }
const describeParameter = ['ssm:GetParameter', 'ssm:GetParameterHistory', 'ssm:ListTagsForResource']
const readParameter = ['ssm:GetParameter', 'ssm:GetParameterHistory']
const readPending = ['ssm:GetParameter']
const readKey = { CustomerKey: ['kms:Decrypt'], CustomerKeyForParameters: ['kms:Decrypt'] }
const writeKey = ['kms:Decrypt', 'kms:Encrypt', 'kms:GenerateDataKey']
const watchExecutions = ['states:DescribeExecution', 'states:GetExecutionHistory']
const everyStateMachine = {
  Announcements: ['events:PutEvents'],
  LogDelivery: [
    'logs:CreateLogDelivery',
    'logs:DeleteLogDelivery',
    'logs:DescribeLogGroups',
    'logs:DescribeResourcePolicies',
    'logs:GetLogDelivery',
    'logs:ListLogDeliveries',
    'logs:PutResourcePolicy',
    'logs:UpdateLogDelivery',
  ],
  Traces: [
    'xray:GetSamplingRules',
    'xray:GetSamplingTargets',
    'xray:PutTelemetryRecords',
    'xray:PutTraceSegments',
  ],
}
const replicas = (actions: string[]) => ({ ManagedReplicas: actions, AdminReplicas: actions })
const databaseCopies = ['rds:DescribeDBClusters', 'rds:DescribeDBInstances', 'rds:DescribeGlobalClusters']
/** Every action of every role, by statement, with every parameter set. */
export const table: Record<string, Record<string, string[]>> = {
  CreateSecretRole: {
    ...keyturnSecrets(writeSecret),
    CustomerKey: ['kms:Decrypt', 'kms:GenerateDataKey'],
    ManagedParameters: [
      'ssm:GetParameter',
      'ssm:GetParameterHistory',
      'ssm:LabelParameterVersion',
      'ssm:ListTagsForResource',
    ],
    PendingParameters: writePending,
    CustomerKeyForParameters: writeKey,
    Executions: watchExecutions,
    ...everyFunction,
  },
  SetSecretRole: {
    ...keyturnSecrets(['secretsmanager:GetSecretValue', 'secretsmanager:ListSecretVersionIds']),
    ...adminSecrets,
    ...masters,
    ManagedParameters: readParameter,
    PendingParameters: ['ssm:GetParameter', 'ssm:GetParametersByPath'],
    ...readKey,
    Executions: watchExecutions,
    ...everyFunction,
    ...vpc,
  },
  TestSecretRole: {
    ...keyturnSecrets(['secretsmanager:GetSecretValue']),
    ManagedParameters: readParameter,
    PendingParameters: readPending,
    ...readKey,
    ...everyFunction,
    ...vpc,
  },
  FinishSecretRole: {
    ...keyturnSecrets(['secretsmanager:DescribeSecret', 'secretsmanager:UpdateSecretVersionStage']),
    ManagedParameters: [
      'ssm:GetParameter',
      'ssm:GetParameterHistory',
      'ssm:LabelParameterVersion',
      'ssm:PutParameter',
      'ssm:UnlabelParameterVersion',
    ],
    PendingParameters: ['ssm:DeleteParameters', 'ssm:GetParameter'],
    CustomerKeyForParameters: writeKey,
    ...everyFunction,
  },
  AwaitReplicasRole: {
    ...keyturnSecrets(['secretsmanager:DescribeSecret']),
    Replicas: ['secretsmanager:DescribeSecret'],
    ManagedElsewhere: ['secretsmanager:DescribeSecret'],
    AdminElsewhere: ['secretsmanager:DescribeSecret'],
    ...everyFunction,
  },
  RollbackSecretRole: {
    ...keyturnSecrets([
      'secretsmanager:DescribeSecret',
      'secretsmanager:GetSecretValue',
      'secretsmanager:ListSecretVersionIds',
      'secretsmanager:UpdateSecretVersionStage',
    ]),
    ...adminSecrets,
    ...masters,
    ManagedParameters: describeParameter,
    PendingParameters: ['ssm:DeleteParameters', 'ssm:GetParameter', 'ssm:GetParametersByPath'],
    ...readKey,
    Executions: watchExecutions,
    ...everyFunction,
    ...vpc,
  },
  RetireSecretRole: {
    ...keyturnSecrets(['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue']),
    ...adminSecrets,
    ManagedParameters: describeParameter,
    PendingParameters: readPending,
    ...readKey,
    ...everyFunction,
    ...vpc,
  },
  RotateSecretRole: {
    RotatedByThisStack: writeSecret,
    CustomerKey: ['kms:Decrypt', 'kms:GenerateDataKey'],
    ManagedParameters: ['ssm:GetParameter'],
    CustomerKeyForParameters: ['kms:Decrypt'],
    Executions: watchExecutions,
    StartRotation: ['states:StartExecution'],
    ...everyFunction,
    ...vpc,
  },
  FindDueRole: {
    Lists: ['secretsmanager:ListSecrets', 'ssm:DescribeParameters', 'tag:GetResources'],
    Versions: ['secretsmanager:ListSecretVersionIds'],
    RotatedByThisStack: ['secretsmanager:DescribeSecret'],
    TaggedManaged: ['secretsmanager:DescribeSecret'],
    Schedules: ['secretsmanager:TagResource'],
    Replicas: ['secretsmanager:DescribeSecret'],
    ManagedElsewhere: ['secretsmanager:DescribeSecret'],
    AdminElsewhere: ['secretsmanager:DescribeSecret'],
    ManagedSecrets: read,
    ManagedParameters: ['ssm:GetParameters'],
    ...readKey,
    Runs: ['states:ListExecutions'],
    EarlierRuns: ['states:DescribeStateMachineForExecution'],
    Servers: ['states:DescribeExecution'],
    ...everyFunction,
  },
  RotateServerRole: {
    Servers: ['states:DescribeExecution'],
    TakeServers: ['states:StartExecution'],
    ...everyFunction,
  },
  TakeSlotRole: {
    Servers: ['states:DescribeExecution'],
    TakeServers: ['states:StartExecution'],
    Slots: ['states:ListExecutions'],
    ...everyFunction,
  },
  StartRotationRole: {
    Lists: ['ssm:DescribeParameters'],
    Tags: ['ssm:ListTagsForResource'],
    Labels: ['ssm:GetParameterHistory'],
    Locks: ['ssm:GetParameter'],
    OtherRotations: ['states:DescribeExecution'],
    Servers: ['states:DescribeExecution'],
    StartRotation: ['states:StartExecution'],
    Runs: ['dynamodb:PutItem'],
    DeadLetters: ['sqs:SendMessage'],
    ...everyFunction,
  },
  AwaitRotationRole: {
    Executions: watchExecutions,
    TakeServers: ['states:StartExecution'],
    ...everyFunction,
  },
  ReportRotationsRole: everyFunction,
  RaiseAlarmRole: {
    Topic: ['sns:Publish'],
    TopicKey: ['kms:Decrypt', 'kms:GenerateDataKey'],
    Ledger: ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
    Histories: ['states:GetExecutionHistory'],
    Queues: ['sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage'],
    Webhook: ['ssm:GetParameter'],
    WebhookCustomerKey: ['kms:Decrypt'],
    ...everyFunction,
  },
  RecordRotationRole: {
    Records: ['dynamodb:PutItem'],
    Histories: ['states:GetExecutionHistory'],
    Queues: ['sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage'],
    ...everyFunction,
  },
  RotateRole: {
    Steps: ['lambda:InvokeFunction'],
    MoveBack: ['states:StartExecution'],
    ...everyStateMachine,
  },
  RotateDueRole: {
    Functions: ['lambda:InvokeFunction'],
    ChildExecutions: ['states:StartExecution'],
    EndChildExecutions: ['states:DescribeExecution', 'states:StopExecution'],
    ...everyStateMachine,
  },
  RotateServersRole: { Functions: ['lambda:InvokeFunction'], ...everyStateMachine },
  FindReplicasRole: {
    SecretsOfRegions: ['secretsmanager:ListSecrets'],
    ManagedElsewhere: ['secretsmanager:DescribeSecret'],
    AdminElsewhere: ['secretsmanager:DescribeSecret'],
    Promotions: ['dynamodb:Query'],
    ...everyFunction,
  },
  FindVersionRole: {
    ...replicas(['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue']),
    ...readKey,
    Connections: ['ssm:GetParameter'],
    DatabaseCopies: databaseCopies,
    ...everyFunction,
    ...vpc,
  },
  HandOverRole: {
    ...replicas(['secretsmanager:DescribeSecret']),
    ManagedElsewhere: ['secretsmanager:DescribeSecret'],
    AdminElsewhere: ['secretsmanager:DescribeSecret'],
    HomeOfManaged: ['secretsmanager:TagResource'],
    HomeOfAdmins: ['secretsmanager:TagResource'],
    SchedulesOfManaged: ['secretsmanager:CancelRotateSecret'],
    SchedulesOfAdmins: ['secretsmanager:CancelRotateSecret'],
    ...everyFunction,
  },
  PromoteReplicaRole: {
    ...replicas([
      'secretsmanager:DescribeSecret',
      'secretsmanager:GetSecretValue',
      'secretsmanager:PutSecretValue',
      'secretsmanager:StopReplicationToReplica',
      'secretsmanager:UpdateSecretVersionStage',
    ]),
    TagManaged: ['secretsmanager:TagResource'],
    TagAdmins: ['secretsmanager:TagResource'],
    ScheduleManaged: ['secretsmanager:RotateSecret'],
    ScheduleAdmins: ['secretsmanager:RotateSecret'],
    RotationFunction: ['lambda:InvokeFunction'],
    CustomerKey: ['kms:Decrypt', 'kms:GenerateDataKey'],
    Connections: ['ssm:GetParameter'],
    CustomerKeyForParameters: ['kms:Decrypt'],
    DatabaseCopies: databaseCopies,
    ...everyFunction,
  },
  NotePromotionRole: {
    Promotions: ['dynamodb:DeleteItem', 'dynamodb:GetItem', 'dynamodb:PutItem'],
    ...everyFunction,
  },
  ReportPromotionRole: { Promotions: ['dynamodb:DeleteItem', 'dynamodb:Query'], ...everyFunction },
  SwitchRegionRole: {
    Start: ['states:ListExecutions', 'states:StartExecution'],
    Report: ['states:DescribeExecution'],
    ...everyFunction,
  },
  PromoteRole: {
    Functions: ['lambda:InvokeFunction'],
    ChildExecutions: ['states:StartExecution'],
    EndChildExecutions: ['states:DescribeExecution', 'states:StopExecution'],
    ...everyStateMachine,
  },
  // checkCredential reads what a rotation reads, and writes nothing.
  CheckCredentialRole: {
    ...keyturnSecrets(['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue']),
    ...adminSecrets,
    ManagedParameters: describeParameter,
    PendingParameters: readPending,
    ...readKey,
    Executions: watchExecutions,
    ...everyFunction,
    ...vpc,
  },
  SetAdminRole: { ...ofSetAdmin, ...everyFunction, ...vpc },
  SetAdminsRole: { Functions: ['lambda:InvokeFunction'], ...everyStateMachine },
  CheckRole: { Functions: ['lambda:InvokeFunction'], ...everyStateMachine },
  RehearsalScheduleRole: { StartRehearsal: ['states:StartExecution'], DeadLetters: ['sqs:SendMessage'] },
  DueScheduleRole: { StartRun: ['states:StartExecution'], DeadLetters: ['sqs:SendMessage'] },
}
