import { bucket, type Grant, named, of } from './deployResources.ts'

/** What `serverless deploy` and `serverless remove` of this project call themselves. */
export const calls: readonly Grant[] = [
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
    on: of('cloudformation', ({ stack }) => `stack/${stack}/*`),
  },
  {
    // Neither is about a resource that could be named. remove lists the secrets that the stack rotates.
    Sid: 'WithoutResources',
    actions: ['cloudformation:ValidateTemplate', 'secretsmanager:ListSecrets'],
    on: () => '*',
  },
  {
    Sid: 'Packages',
    actions: ['s3:DeleteObject', 's3:GetObject', 's3:PutObject'],
    on: ground => `${bucket(ground)}/*`,
  },
  { Sid: 'PackageList', actions: ['s3:ListBucket'], on: bucket },
  { Sid: 'Changed', actions: ['lambda:GetFunction'], on: named('lambda', 'function:') },
  { Sid: 'Running', actions: ['states:ListExecutions'], on: named('states', 'stateMachine:') },
]
