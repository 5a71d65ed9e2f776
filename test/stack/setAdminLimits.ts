import { admins } from './stacks.ts'

/** What changes the labels and the values of a secret. */
export const writeSecret = [
  'secretsmanager:DescribeSecret',
  'secretsmanager:GetSecretValue',
  'secretsmanager:PutSecretValue',
  'secretsmanager:UpdateSecretVersionStage',
]
const listVersions = 'secretsmanager:ListSecretVersionIds'
/** What keeps something pending beside a parameter, and takes it away. */
export const writePending = [
  'ssm:DeleteParameters',
  'ssm:GetParameter',
  'ssm:GetParametersByPath',
  'ssm:PutParameter',
]

/** The actions of setAdmin's role, by statement, but for those of every function in the VPC. */
export const ofSetAdmin: Record<string, string[]> = {
  RotatedByThisStack: [...writeSecret, listVersions].toSorted(),
  TaggedManaged: [...writeSecret, listVersions].toSorted(),
  TaggedAdmin: ['secretsmanager:GetSecretValue'],
  ListedAdmins: ['secretsmanager:GetSecretValue'],
  DescribeTaggedAdmin: ['secretsmanager:DescribeSecret'],
  DescribeListedAdmins: ['secretsmanager:DescribeSecret'],
  Databases: ['rds:DescribeDBClusters', 'rds:DescribeDBInstances'],
  CustomerKey: ['kms:Decrypt', 'kms:GenerateDataKey'],
  ManagedParameters: [
    'ssm:GetParameter',
    'ssm:GetParameterHistory',
    'ssm:LabelParameterVersion',
    'ssm:ListTagsForResource',
    'ssm:PutParameter',
    'ssm:UnlabelParameterVersion',
  ],
  PendingParameters: writePending,
  CustomerKeyForParameters: ['kms:Decrypt', 'kms:Encrypt', 'kms:GenerateDataKey'],
  Executions: ['states:DescribeExecution', 'states:GetExecutionHistory'],
}

/** Names and tags of any admin's secret, before it is named in a value. */
export const adminsDescribed = (secrets: string): Record<string, object> => ({
  DescribeTaggedAdmin: {
    Resource: secrets,
    Condition: { StringEquals: { 'aws:ResourceTag/keyturn:admin': 'true' } },
  },
  DescribeListedAdmins: { Resource: admins },
})
