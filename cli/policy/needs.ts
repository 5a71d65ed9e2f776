import type { PlaceName } from './places.ts'

/** Whom a permission is for: each has what those before it have, but for the last, who gets no policy here. */
type Holder = 'auditor' | 'operator' | 'caretaker' | 'promoter'

/** What a command needs on AWS. */
export type Need = {
  /** What it is for, as docs/cli.md says it. */
  for: string
  actions: string[]
  on: PlaceName
  holder: Holder
}

const LISTS = ['secretsmanager:ListSecrets', 'ssm:DescribeParameters', 'tag:GetResources']
const looks = (what: string, actions: string[], on: PlaceName): Need => ({
  for: what,
  actions,
  on,
  holder: 'auditor',
})
const starts = (what: string, actions: string[], on: PlaceName): Need => ({
  for: what,
  actions,
  on,
  holder: 'operator',
})
const mends = (what: string, actions: string[], on: PlaceName): Need => ({
  for: what,
  actions,
  on,
  holder: 'caretaker',
})
const promotes = (what: string, actions: string[], on: PlaceName): Need => ({
  for: what,
  actions,
  on,
  holder: 'promoter',
})

/** What each command needs, in the order of docs/cli.md, whose tables are made of it as the policies are. */
export const needs: readonly Need[] = [
  looks('every command, also in the peer Regions', ['cloudformation:DescribeStacks'], 'all'),
  looks('the id of a secret', ['secretsmanager:DescribeSecret'], 'secrets'),
  looks('the id of a parameter', ['ssm:DescribeParameters'], 'all'),
  looks('the id of a parameter', ['ssm:ListTagsForResource'], 'parameters'),
  starts('`rotate`', ['states:StartExecution'], 'rotate'),
  starts('`rotate`', ['states:DescribeExecution', 'states:GetExecutionHistory'], 'rotations'),
  starts('`rotate` of a secret with a rotation function', ['secretsmanager:RotateSecret'], 'rotatedSecrets'),
  starts('`rotate` of a secret with a rotation function', ['lambda:InvokeFunction'], 'rotateSecret'),
  starts('`rotate --all-due`', ['states:StartExecution'], 'rotateDue'),
  starts('`check`', ['states:StartExecution'], 'check'),
  starts('`check`', ['states:DescribeExecution'], 'checks'),
  looks('`status`, `history`, `events`', ['dynamodb:Query'], 'records'),
  looks('`status`', ['states:ListExecutions'], 'servers'),
  looks('`status`', ['states:DescribeExecution'], 'rotations'),
  looks('`status`', ['secretsmanager:ListSecretVersionIds'], 'secrets'),
  looks('`status`', LISTS, 'all'),
  looks('`history --last`', ['states:GetExecutionHistory'], 'rotations'),
  looks('`replicas`', ['secretsmanager:DescribeSecret', 'secretsmanager:ListSecretVersionIds'], 'secrets'),
  looks('`replicas` without an ID', LISTS, 'all'),
  looks('`replicas --ready`', ['dynamodb:Query'], 'promotionTable'),
  looks('`readers`', ['cloudtrail:LookupEvents'], 'all'),
  looks('`readers`', ['cloudformation:ListStackResources'], 'stacks'),
  looks('`readers`, where CloudTrail tells of no read', ['dynamodb:Scan'], 'recordsEverywhere'),
  looks('`audit`, `cost`', [...LISTS, 'access-analyzer:ListAnalyzers', 'cloudtrail:LookupEvents'], 'all'),
  looks(
    '`audit`, `cost`',
    [
      'secretsmanager:DescribeSecret',
      'secretsmanager:GetResourcePolicy',
      'secretsmanager:ListSecretVersionIds',
    ],
    'secrets',
  ),
  looks('`audit`, `cost`', ['ssm:GetResourcePolicies'], 'parameters'),
  looks('`audit`, `cost`', ['dynamodb:Scan'], 'recordsEverywhere'),
  looks('`audit`, `cost`', ['lambda:GetFunctionConfiguration'], 'functions'),
  looks('`audit`, `cost`', ['cloudformation:ListStackResources'], 'stacks'),
  looks('`audit`, `cost`', ['sns:ListSubscriptionsByTopic'], 'topics'),
  looks('`audit`, `cost`', ['access-analyzer:ListFindings'], 'analyzers'),
  looks('`cost --refresh`', ['pricing:GetProducts'], 'all'),
  looks('`doctor`', ['cloudformation:ListStackResources'], 'stacks'),
  looks('`doctor`', ['events:DescribeRule'], 'rules'),
  looks('`doctor`', ['scheduler:GetSchedule'], 'schedules'),
  looks('`doctor`', ['lambda:GetFunctionConfiguration'], 'functions'),
  looks('`doctor`', ['lambda:GetEventSourceMapping'], 'queueReaders'),
  looks(
    '`doctor`',
    ['cloudwatch:DescribeAlarms', 'cloudwatch:GetMetricData', 'ssm:DescribeParameters'],
    'all',
  ),
  looks('`doctor`', ['sqs:GetQueueAttributes'], 'queues'),
  looks('`doctor`', ['sns:ListSubscriptionsByTopic'], 'topics'),
  looks('names at the tab key', ['secretsmanager:ListSecrets', 'ssm:DescribeParameters'], 'all'),
  looks(
    '`failback --check`',
    ['secretsmanager:DescribeSecret', 'secretsmanager:ListSecretVersionIds'],
    'secrets',
  ),
  looks('`failback --check`', ['states:ListExecutions', 'states:DescribeExecution'], 'rotatingElsewhere'),
  looks('`failback --check` without an ID', ['secretsmanager:ListSecrets'], 'all'),
  mends(
    '`enrol`, `unenrol`',
    ['secretsmanager:TagResource', 'secretsmanager:UntagResource'],
    'taggedSecrets',
  ),
  mends('`enrol`, `unenrol`', ['ssm:AddTagsToResource', 'ssm:RemoveTagsFromResource'], 'taggedParameters'),
  mends(
    '`enrol --schedule`, a secret that has one, and `unenrol` of it',
    ['secretsmanager:RotateSecret', 'secretsmanager:CancelRotateSecret'],
    'ownSecrets',
  ),
  mends(
    '`enrol --schedule`, a secret that has one, and `unenrol` of it',
    ['lambda:InvokeFunction'],
    'rotateSecret',
  ),
  mends('`enrol --admin`', ['states:StartExecution'], 'setAdmin'),
  mends('`enrol --admin`', ['states:DescribeExecution'], 'settingAdmins'),
  mends('`unenrol`', ['dynamodb:Query'], 'records'),
  mends('`unenrol`', ['states:DescribeExecution'], 'rotations'),
  mends('an id that may not exist, to be told so', ['secretsmanager:ListSecrets'], 'all'),
  mends('`doctor --fix`', ['events:EnableRule'], 'rules'),
  mends('`doctor --fix`', ['scheduler:UpdateSchedule'], 'schedules'),
  mends('`doctor --fix`', ['iam:PassRole'], 'scheduleRoles'),
  promotes('`promote`, also with `--dry-run`', ['states:StartExecution', 'states:ListExecutions'], 'promote'),
  promotes('`promote`, also with `--dry-run`', ['states:DescribeExecution'], 'promoting'),
  promotes('`promote`, to be told how many', ['secretsmanager:ListSecrets'], 'all'),
  promotes('`promote`, to be told of more than fifty', ['dynamodb:Query'], 'promotionTable'),
]

/** Whom the policies are for: each has all that those before have. */
const ranks = ['auditor', 'operator', 'caretaker'] as const satisfies Holder[]
export type Person = (typeof ranks)[number]

/** All that a person needs. */
export const needsOf = (who: Person): Need[] => {
  const theirs: Holder[] = ranks.slice(0, ranks.indexOf(who) + 1)
  return needs.filter(({ holder }) => theirs.includes(holder))
}
