import type { PolicyResourceName } from './policyResources.ts'

/**
 * Whom a permission is for. An operator has the permissions of an auditor too, and a caretaker those of an operator. A promoter is
 * whoever may promote a Region: the command prints no policy for that.
 */
type Holder = 'auditor' | 'operator' | 'caretaker' | 'promoter'

/** A permission that a command needs. */
export type PermissionNeed = {
  /** What the permission is for, as in the tables of docs/cli.md. */
  purpose: string
  actions: string[]
  on: PolicyResourceName
  holder: Holder
}

const LIST_ACTIONS = ['secretsmanager:ListSecrets', 'ssm:DescribeParameters', 'tag:GetResources']
const auditorNeed = (purpose: string, actions: string[], on: PolicyResourceName): PermissionNeed => ({
  purpose,
  actions,
  on,
  holder: 'auditor',
})
const operatorNeed = (purpose: string, actions: string[], on: PolicyResourceName): PermissionNeed => ({
  purpose,
  actions,
  on,
  holder: 'operator',
})
const caretakerNeed = (purpose: string, actions: string[], on: PolicyResourceName): PermissionNeed => ({
  purpose,
  actions,
  on,
  holder: 'caretaker',
})
const promoterNeed = (purpose: string, actions: string[], on: PolicyResourceName): PermissionNeed => ({
  purpose,
  actions,
  on,
  holder: 'promoter',
})

/** The permissions that the commands need, in the order of docs/cli.md. Its tables and the policies are made from this list. */
export const permissionNeeds: readonly PermissionNeed[] = [
  auditorNeed('every command, also in the peer Regions', ['cloudformation:DescribeStacks'], 'all'),
  auditorNeed('the id of a secret', ['secretsmanager:DescribeSecret'], 'secrets'),
  auditorNeed('the id of a parameter', ['ssm:DescribeParameters'], 'all'),
  auditorNeed('the id of a parameter', ['ssm:ListTagsForResource'], 'parameters'),
  operatorNeed('`rotate`', ['states:StartExecution'], 'rotate'),
  operatorNeed('`rotate`', ['states:DescribeExecution', 'states:GetExecutionHistory'], 'rotations'),
  operatorNeed(
    '`rotate` of a secret with a rotation function',
    ['secretsmanager:RotateSecret'],
    'rotatedSecrets',
  ),
  operatorNeed('`rotate` of a secret with a rotation function', ['lambda:InvokeFunction'], 'rotateSecret'),
  operatorNeed('`rotate --all-due`', ['states:StartExecution'], 'rotateDue'),
  operatorNeed('`check`', ['states:StartExecution'], 'check'),
  operatorNeed('`check`', ['states:DescribeExecution'], 'checks'),
  auditorNeed('`status`, `history`, `events`', ['dynamodb:Query'], 'records'),
  auditorNeed('`status`', ['states:ListExecutions'], 'servers'),
  auditorNeed('`status`', ['states:DescribeExecution'], 'rotations'),
  auditorNeed('`status`', ['secretsmanager:ListSecretVersionIds'], 'secrets'),
  auditorNeed('`status`', LIST_ACTIONS, 'all'),
  auditorNeed('`history --last`', ['states:GetExecutionHistory'], 'rotations'),
  auditorNeed(
    '`replicas`',
    ['secretsmanager:DescribeSecret', 'secretsmanager:ListSecretVersionIds'],
    'secrets',
  ),
  auditorNeed('`replicas` without an ID', LIST_ACTIONS, 'all'),
  auditorNeed('`replicas --ready`', ['dynamodb:Query'], 'promotionTable'),
  auditorNeed('`readers`', ['cloudtrail:LookupEvents'], 'all'),
  auditorNeed('`readers`', ['cloudformation:ListStackResources'], 'stacks'),
  auditorNeed('`readers`, if CloudTrail has no read', ['dynamodb:Scan'], 'recordsEverywhere'),
  auditorNeed(
    '`audit`, `cost`',
    [...LIST_ACTIONS, 'access-analyzer:ListAnalyzers', 'cloudtrail:LookupEvents'],
    'all',
  ),
  auditorNeed(
    '`audit`, `cost`',
    [
      'secretsmanager:DescribeSecret',
      'secretsmanager:GetResourcePolicy',
      'secretsmanager:ListSecretVersionIds',
    ],
    'secrets',
  ),
  auditorNeed('`audit`, `cost`', ['ssm:GetResourcePolicies'], 'parameters'),
  auditorNeed('`audit`, `cost`', ['dynamodb:Scan'], 'recordsEverywhere'),
  auditorNeed('`audit`, `cost`', ['lambda:GetFunctionConfiguration'], 'functions'),
  auditorNeed('`audit`, `cost`', ['cloudformation:ListStackResources'], 'stacks'),
  auditorNeed('`audit`, `cost`', ['sns:ListSubscriptionsByTopic'], 'topics'),
  auditorNeed('`audit`, `cost`', ['access-analyzer:ListFindings'], 'analyzers'),
  auditorNeed('`cost --refresh`', ['pricing:GetProducts'], 'all'),
  auditorNeed('`doctor`', ['cloudformation:ListStackResources'], 'stacks'),
  auditorNeed('`doctor`', ['events:DescribeRule'], 'rules'),
  auditorNeed('`doctor`', ['scheduler:GetSchedule'], 'schedules'),
  auditorNeed('`doctor`', ['lambda:GetFunctionConfiguration'], 'functions'),
  auditorNeed('`doctor`', ['lambda:GetEventSourceMapping'], 'queueReaders'),
  auditorNeed(
    '`doctor`',
    ['cloudwatch:DescribeAlarms', 'cloudwatch:GetMetricData', 'ssm:DescribeParameters'],
    'all',
  ),
  auditorNeed('`doctor`', ['sqs:GetQueueAttributes'], 'queues'),
  auditorNeed('`doctor`', ['sns:ListSubscriptionsByTopic'], 'topics'),
  auditorNeed(
    'completion of names with the Tab key',
    ['secretsmanager:ListSecrets', 'ssm:DescribeParameters'],
    'all',
  ),
  auditorNeed(
    '`failback --check`',
    ['secretsmanager:DescribeSecret', 'secretsmanager:ListSecretVersionIds'],
    'secrets',
  ),
  auditorNeed(
    '`failback --check`',
    ['states:ListExecutions', 'states:DescribeExecution'],
    'rotatingElsewhere',
  ),
  auditorNeed('`failback --check` without an ID', ['secretsmanager:ListSecrets'], 'all'),
  caretakerNeed(
    '`enrol`, `unenrol`',
    ['secretsmanager:TagResource', 'secretsmanager:UntagResource'],
    'taggedSecrets',
  ),
  caretakerNeed(
    '`enrol`, `unenrol`',
    ['ssm:AddTagsToResource', 'ssm:RemoveTagsFromResource'],
    'taggedParameters',
  ),
  caretakerNeed(
    '`enrol --schedule`, a secret that has one, and `unenrol` of it',
    ['secretsmanager:RotateSecret', 'secretsmanager:CancelRotateSecret'],
    'ownSecrets',
  ),
  caretakerNeed(
    '`enrol --schedule`, a secret that has one, and `unenrol` of it',
    ['lambda:InvokeFunction'],
    'rotateSecret',
  ),
  caretakerNeed('`enrol --admin`', ['states:StartExecution'], 'setAdmin'),
  caretakerNeed('`enrol --admin`', ['states:DescribeExecution'], 'settingAdmins'),
  caretakerNeed('`unenrol`', ['dynamodb:Query'], 'records'),
  caretakerNeed('`unenrol`', ['states:DescribeExecution'], 'rotations'),
  caretakerNeed('a message if an id does not exist', ['secretsmanager:ListSecrets'], 'all'),
  caretakerNeed('`doctor --fix`', ['events:EnableRule'], 'rules'),
  caretakerNeed('`doctor --fix`', ['scheduler:UpdateSchedule'], 'schedules'),
  caretakerNeed('`doctor --fix`', ['iam:PassRole'], 'scheduleRoles'),
  promoterNeed(
    '`promote`, also with `--dry-run`',
    ['states:StartExecution', 'states:ListExecutions'],
    'promote',
  ),
  promoterNeed('`promote`, also with `--dry-run`', ['states:DescribeExecution'], 'promoting'),
  promoterNeed('`promote`, to show how many secrets', ['secretsmanager:ListSecrets'], 'all'),
  promoterNeed('`promote`, to show more than fifty outcomes', ['dynamodb:Query'], 'promotionTable'),
]

/** The people who get a policy from needsOf. Each has the permissions of those before too. */
const PERSON_RANKS = ['auditor', 'operator', 'caretaker'] as const satisfies Holder[]
/** A person for whom needsOf has permissions. The deployer's are in deployResources.ts. */
export type Person = (typeof PERSON_RANKS)[number]

/** All permissions that a person needs. */
export const needsOf = (person: Person): PermissionNeed[] => {
  const holders: Holder[] = PERSON_RANKS.slice(0, PERSON_RANKS.indexOf(person) + 1)
  return permissionNeeds.filter(({ holder }) => holders.includes(holder))
}
