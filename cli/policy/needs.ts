import type { PolicyResourceName } from './policyResources.ts'

/** Whom a permission is for: each has what those before it have, but for the last, who gets no policy here. */
type Holder = 'auditor' | 'operator' | 'caretaker' | 'promoter'

/** What a command needs on AWS. */
export type PermissionNeed = {
  /** What it is for, as docs/cli.md says it. */
  purpose: string
  actions: string[]
  on: PolicyResourceName
  holder: Holder
}

const LIST_ACTIONS = ['secretsmanager:ListSecrets', 'ssm:DescribeParameters', 'tag:GetResources']
const auditorNeed = (what: string, actions: string[], on: PolicyResourceName): PermissionNeed => ({
  purpose: what,
  actions,
  on,
  holder: 'auditor',
})
const operatorNeed = (what: string, actions: string[], on: PolicyResourceName): PermissionNeed => ({
  purpose: what,
  actions,
  on,
  holder: 'operator',
})
const caretakerNeed = (what: string, actions: string[], on: PolicyResourceName): PermissionNeed => ({
  purpose: what,
  actions,
  on,
  holder: 'caretaker',
})
const promoterNeed = (what: string, actions: string[], on: PolicyResourceName): PermissionNeed => ({
  purpose: what,
  actions,
  on,
  holder: 'promoter',
})

/** What each command needs, in the order of docs/cli.md, whose tables are made of it as the policies are. */
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
  auditorNeed('`readers`, where CloudTrail tells of no read', ['dynamodb:Scan'], 'recordsEverywhere'),
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
  auditorNeed('names at the tab key', ['secretsmanager:ListSecrets', 'ssm:DescribeParameters'], 'all'),
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
  caretakerNeed('an id that may not exist, to be told so', ['secretsmanager:ListSecrets'], 'all'),
  caretakerNeed('`doctor --fix`', ['events:EnableRule'], 'rules'),
  caretakerNeed('`doctor --fix`', ['scheduler:UpdateSchedule'], 'schedules'),
  caretakerNeed('`doctor --fix`', ['iam:PassRole'], 'scheduleRoles'),
  promoterNeed(
    '`promote`, also with `--dry-run`',
    ['states:StartExecution', 'states:ListExecutions'],
    'promote',
  ),
  promoterNeed('`promote`, also with `--dry-run`', ['states:DescribeExecution'], 'promoting'),
  promoterNeed('`promote`, to be told how many', ['secretsmanager:ListSecrets'], 'all'),
  promoterNeed('`promote`, to be told of more than fifty', ['dynamodb:Query'], 'promotionTable'),
]

/** Whom the policies are for: each has all that those before have. */
const PERSON_RANKS = ['auditor', 'operator', 'caretaker'] as const satisfies Holder[]
export type Person = (typeof PERSON_RANKS)[number]

/** All that a person needs. */
export const needsOf = (who: Person): PermissionNeed[] => {
  const theirs: Holder[] = PERSON_RANKS.slice(0, PERSON_RANKS.indexOf(who) + 1)
  return permissionNeeds.filter(({ holder }) => theirs.includes(holder))
}
