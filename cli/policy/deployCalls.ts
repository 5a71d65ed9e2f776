import { bucketArn, type Grant, ownArn, regionalArn } from './deployResources.ts'

/** The permissions for the calls that `serverless deploy` and `serverless remove` of this project make themselves. */
export const serverlessGrants: readonly Grant[] = [
  {
    Sid: 'Stack',
    actions: [
      'cloudformation:CreateChangeSet',
      'cloudformation:DeleteChangeSet',
      'cloudformation:DeleteStack',
      'cloudformation:DescribeChangeSet',
      'cloudformation:DescribeStackEvents',
      'cloudformation:DescribeStackResource',
      'cloudformation:DescribeStacks',
      'cloudformation:ExecuteChangeSet',
      'cloudformation:ListStackResources',
    ],
    on: regionalArn('cloudformation', ({ stack }) => `stack/${stack}/*`),
  },
  {
    // Neither call allows a resource in a policy. `serverless remove` lists the secrets that the stack rotates.
    Sid: 'WithoutResources',
    actions: ['cloudformation:ValidateTemplate', 'secretsmanager:ListSecrets'],
    on: () => '*',
  },
  {
    Sid: 'Packages',
    actions: ['s3:DeleteObject', 's3:GetObject', 's3:PutObject'],
    on: location => `${bucketArn(location)}/*`,
  },
  { Sid: 'PackageList', actions: ['s3:ListBucket'], on: bucketArn },
  { Sid: 'Changed', actions: ['lambda:GetFunction'], on: ownArn('lambda', 'function:') },
  { Sid: 'Running', actions: ['states:ListExecutions'], on: ownArn('states', 'stateMachine:') },
]
