import { accountIn, regionIn } from '../../rotation/arn.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { Condition } from './document.ts'

/** A stack, and what the ARNs of its resources are made of. */
export type Ground = {
  partition: string
  region: string
  account: string
  /** The stack's name, with which CloudFormation begins the names that it makes up. */
  stack: string
  /** What the names that the template gives begin with, such as keyturn-prod. */
  prefix: string
  /** Ends every host name of AWS there. */
  suffix: string
}

export const groundOf = (stack: Stack): Ground => {
  const arn = outputOf(stack, 'RotateStateMachineArn')
  return {
    ...groundIn(regionIn(arn) ?? '', accountIn(arn) ?? ''),
    stack: stack.name,
    prefix: (arn.split(':').at(-1) ?? '').replace(/-rotate$/, ''),
  }
}

/** The same of no stack in particular. */
export function groundIn(
  region: string,
  account: string,
): Pick<Ground, 'partition' | 'region' | 'account' | 'suffix'> {
  const partition = region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
  const suffix = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com'
  return { partition, region, account, suffix }
}

/** What a permission is about. */
type Place = {
  /** As docs/cli.md calls it. */
  words: string
  Sid: string
  arns(ground: Ground): string[]
  condition?(ground: Ground): Condition
}

/** An ARN in the stack's Region, or in every Region. */
const here = ({ partition, region, account }: Ground, service: string, resource: string) =>
  `arn:${partition}:${service}:${region}:${account}:${resource}`
const everywhere = (ground: Ground, service: string, resource: string) =>
  here({ ...ground, region: '*' }, service, resource)

const machine = (ground: Ground, name: string) =>
  here(ground, 'states', `stateMachine:${ground.prefix}-${name}`)
const executions = (ground: Ground, name: string) =>
  here(ground, 'states', `execution:${ground.prefix}-${name}:*`)
const rotateSecret = (ground: Ground) => here(ground, 'lambda', `function:${ground.prefix}-rotateSecret`)

/** Other tags may say who may do what with a secret. */
const ownTags: Condition = { 'ForAllValues:StringLike': { 'aws:TagKeys': 'keyturn*' } }

/** Everything that the command's permissions are about. */
export const places = {
  all: { words: '`*`', Sid: 'Lists', arns: () => ['*'] },
  secrets: {
    words: 'the secrets, and their replicas in other Regions',
    Sid: 'Secrets',
    arns: ground => [everywhere(ground, 'secretsmanager', 'secret:*')],
  },
  parameters: {
    words: 'the parameters',
    Sid: 'Parameters',
    arns: ground => [everywhere(ground, 'ssm', 'parameter/*')],
  },
  rotatedSecrets: {
    words: 'the secrets that the function in the output `RotateSecretFunctionArn` rotates',
    Sid: 'RotatedSecrets',
    arns: ground => [here(ground, 'secretsmanager', 'secret:*')],
    // RotateSecret can also change what rotates a secret, and when. Not in this person's hands.
    condition: ground => ({
      StringEquals: { 'secretsmanager:resource/AllowRotationLambdaArn': rotateSecret(ground) },
      StringEqualsIfExists: { 'secretsmanager:RotationLambdaARN': rotateSecret(ground) },
      BoolIfExists: { 'secretsmanager:ModifyRotationRules': 'false' },
    }),
  },
  taggedSecrets: {
    words: 'the secrets, and their admins; no tag but `keyturn…`',
    Sid: 'TaggedSecrets',
    arns: ground => [here(ground, 'secretsmanager', 'secret:*')],
    condition: () => ownTags,
  },
  taggedParameters: {
    words: 'the parameters; no tag but `keyturn…`',
    Sid: 'TaggedParameters',
    arns: ground => [here(ground, 'ssm', 'parameter/*')],
    condition: () => ownTags,
  },
  ownSecrets: {
    words: 'the secrets',
    Sid: 'OwnSecrets',
    arns: ground => [here(ground, 'secretsmanager', 'secret:*')],
  },
  setAdmin: {
    words: 'the state machine in the output `SetAdminStateMachineArn`',
    Sid: 'SetAdmin',
    arns: ground => [machine(ground, 'set-admin')],
  },
  settingAdmins: {
    words: 'its executions',
    Sid: 'SettingAdmins',
    arns: ground => [executions(ground, 'set-admin')],
  },
  rotateSecret: {
    words: 'the function in the output `RotateSecretFunctionArn`',
    Sid: 'RotateSecret',
    arns: ground => [rotateSecret(ground)],
  },
  rotate: {
    words: 'the state machine in the output `RotateStateMachineArn`',
    Sid: 'Rotate',
    arns: ground => [machine(ground, 'rotate')],
  },
  rotations: {
    words: 'the executions of `RotateStateMachineArn`',
    Sid: 'Rotations',
    arns: ground => [executions(ground, 'rotate')],
  },
  rotateDue: {
    words: 'the state machine in the output `RotateDueStateMachineArn`',
    Sid: 'RotateDue',
    arns: ground => [machine(ground, 'rotate-due')],
  },
  servers: {
    words: 'the state machine of `RotateStateMachineArn`, with `-server` at its end',
    Sid: 'Servers',
    arns: ground => [machine(ground, 'rotate-server')],
  },
  check: {
    words: 'the state machine in the output `CheckStateMachineArn`',
    Sid: 'Check',
    arns: ground => [machine(ground, 'check')],
  },
  checks: { words: 'its executions', Sid: 'Checks', arns: ground => [executions(ground, 'check')] },
  records: {
    words: 'the table in the output `RotationTableName`, and its indexes',
    Sid: 'Records',
    arns: ground => [
      here(ground, 'dynamodb', `table/${ground.prefix}-rotations`),
      here(ground, 'dynamodb', `table/${ground.prefix}-rotations/index/*`),
    ],
  },
  recordsEverywhere: {
    words: 'the table in the output `RotationTableName`, in every Region',
    Sid: 'RecordsEverywhere',
    arns: ground => [everywhere(ground, 'dynamodb', `table/${ground.prefix}-rotations`)],
  },
  promotionTable: {
    words: 'the table in the output `PromotionTableName`',
    Sid: 'Promotions',
    arns: ground => [here(ground, 'dynamodb', `table/${ground.prefix}-promotions`)],
  },
  promote: {
    words: 'the state machine in the output `PromoteStateMachineArn`',
    Sid: 'Promote',
    arns: ground => [machine(ground, 'promote')],
  },
  promoting: { words: 'its executions', Sid: 'Promoting', arns: ground => [executions(ground, 'promote')] },
  rotatingElsewhere: {
    words: "the other Region's rotations: its stack's `RotateStateMachineArn` and executions",
    Sid: 'RotatingElsewhere',
    arns: ground => [
      machine({ ...ground, region: '*' }, 'rotate'),
      executions({ ...ground, region: '*' }, 'rotate'),
    ],
  },
  stacks: {
    words: 'the stack, also in the peer Regions',
    Sid: 'Stacks',
    arns: ground => [everywhere(ground, 'cloudformation', `stack/${ground.stack}/*`)],
  },
  functions: {
    words: 'every function, as any may rotate a secret',
    Sid: 'Functions',
    arns: ground => [everywhere(ground, 'lambda', 'function:*')],
  },
  queueReaders: {
    words: 'what reads queues',
    Sid: 'QueueReaders',
    arns: ground => [here(ground, 'lambda', 'event-source-mapping:*')],
  },
  queues: {
    words: "the stack's queues",
    Sid: 'Queues',
    arns: ground => [here(ground, 'sqs', `${ground.prefix}-*`)],
  },
  topics: {
    words: 'the topic in the output `AlarmTopicArn`, also in the peer Regions',
    Sid: 'Topics',
    arns: ground => [everywhere(ground, 'sns', `${ground.prefix}-alarms`)],
  },
  rules: {
    words: "the stack's rules",
    Sid: 'Rules',
    arns: ground => [
      here(ground, 'events', `rule/${ground.stack}-*`),
      here(ground, 'events', `rule/*/${ground.stack}-*`),
    ],
  },
  schedules: {
    words: "the stack's schedules",
    Sid: 'Schedules',
    arns: ground => [here(ground, 'scheduler', `schedule/default/${ground.prefix}-*`)],
  },
  scheduleRoles: {
    words: 'the roles of its schedules',
    Sid: 'ScheduleRoles',
    arns: ({ partition, account, stack }) => [`arn:${partition}:iam::${account}:role/${stack}-*`],
  },
  analyzers: {
    words: 'the analyzers',
    Sid: 'Analyzers',
    arns: ground => [everywhere(ground, 'access-analyzer', 'analyzer/*')],
  },
} as const satisfies Record<string, Place>

export type PlaceName = keyof typeof places
export const placeNamed = (name: PlaceName): Place => places[name]
