import { admins } from './stacks.ts'

/** The actions that a change of a secret's labels and values needs. */
export const writeSecret = [
  'secretsmanager:DescribeSecret',
  'secretsmanager:GetSecretValue',
  'secretsmanager:PutSecretValue',
  'secretsmanager:UpdateSecretVersionStage',
]
const listVersions = 'secretsmanager:ListSecretVersionIds'
/** The actions that writing and deleting a parameter's pending value needs. */
export const writePending = [
  'ssm:DeleteParameters',
  'ssm:GetParameter',
  'ssm:GetParametersByPath',
  'ssm:PutParameter',
]

/** The actions of setAdmin's role by statement, without those that every function in the VPC has. */
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

/** The resources and conditions of the statements that allow DescribeSecret on admins' secrets. */
export const adminsDescribed = (secrets: string): Record<string, object> => ({
  DescribeTaggedAdmin: {
    Resource: secrets,
    Condition: { StringEquals: { 'aws:ResourceTag/keyturn:admin': 'true' } },
  },
  DescribeListedAdmins: { Resource: admins },
})
