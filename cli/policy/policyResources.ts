import { accountIn, regionIn } from '../../rotation/arn.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { Condition } from './document.ts'

/** A stack, and what the ARNs of its resources are made of. */
export type StackLocation = {
  partition: string
  region: string
  account: string
  /** The stack's name, with which CloudFormation begins the names that it makes up. */
  stack: string
  /** What the names that the template gives begin with, such as keyturn-prod. */
  namePrefix: string
  /** Ends every host name of AWS there. */
  urlSuffix: string
}

export const locationOf = (stack: Stack): StackLocation => {
  const arn = outputOf(stack, 'RotateStateMachineArn')
  return {
    ...locationIn(regionIn(arn) ?? '', accountIn(arn) ?? ''),
    stack: stack.name,
    namePrefix: (arn.split(':').at(-1) ?? '').replace(/-rotate$/, ''),
  }
}

/** The same of no stack in particular. */
export function locationIn(
  region: string,
  account: string,
): Pick<StackLocation, 'partition' | 'region' | 'account' | 'urlSuffix'> {
  const partition = region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
  const suffix = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com'
  return { partition, region, account, urlSuffix: suffix }
}

/** What a permission is about. */
type PolicyResource = {
  /** As docs/cli.md calls it. */
  words: string
  Sid: string
  arns(ground: StackLocation): string[]
  condition?(ground: StackLocation): Condition
}

/** An ARN in the stack's Region, or in every Region. */
const regionalArn = ({ partition, region, account }: StackLocation, service: string, resource: string) =>
  `arn:${partition}:${service}:${region}:${account}:${resource}`
const everyRegionArn = (ground: StackLocation, service: string, resource: string) =>
  regionalArn({ ...ground, region: '*' }, service, resource)

const stateMachineArn = (ground: StackLocation, name: string) =>
  regionalArn(ground, 'states', `stateMachine:${ground.namePrefix}-${name}`)
const executionArns = (ground: StackLocation, name: string) =>
  regionalArn(ground, 'states', `execution:${ground.namePrefix}-${name}:*`)
const rotateSecretArn = (ground: StackLocation) =>
  regionalArn(ground, 'lambda', `function:${ground.namePrefix}-rotateSecret`)

/** Other tags may say who may do what with a secret. */
const OWN_TAGS_CONDITION: Condition = { 'ForAllValues:StringLike': { 'aws:TagKeys': 'keyturn*' } }

/** Everything that the command's permissions are about. */
export const policyResources = {
  all: { words: '`*`', Sid: 'Lists', arns: () => ['*'] },
  secrets: {
    words: 'the secrets, and their replicas in other Regions',
    Sid: 'Secrets',
    arns: ground => [everyRegionArn(ground, 'secretsmanager', 'secret:*')],
  },
  parameters: {
    words: 'the parameters',
    Sid: 'Parameters',
    arns: ground => [everyRegionArn(ground, 'ssm', 'parameter/*')],
  },
  rotatedSecrets: {
    words: 'the secrets that the function in the output `RotateSecretFunctionArn` rotates',
    Sid: 'RotatedSecrets',
    arns: ground => [regionalArn(ground, 'secretsmanager', 'secret:*')],
    // RotateSecret can also change what rotates a secret, and when. Not in this person's hands.
    condition: ground => ({
      StringEquals: { 'secretsmanager:resource/AllowRotationLambdaArn': rotateSecretArn(ground) },
      StringEqualsIfExists: { 'secretsmanager:RotationLambdaARN': rotateSecretArn(ground) },
      BoolIfExists: { 'secretsmanager:ModifyRotationRules': 'false' },
    }),
  },
  taggedSecrets: {
    words: 'the secrets, and their admins; no tag but `keyturn…`',
    Sid: 'TaggedSecrets',
    arns: ground => [regionalArn(ground, 'secretsmanager', 'secret:*')],
    condition: () => OWN_TAGS_CONDITION,
  },
  taggedParameters: {
    words: 'the parameters; no tag but `keyturn…`',
    Sid: 'TaggedParameters',
    arns: ground => [regionalArn(ground, 'ssm', 'parameter/*')],
    condition: () => OWN_TAGS_CONDITION,
  },
  ownSecrets: {
    words: 'the secrets',
    Sid: 'OwnSecrets',
    arns: ground => [regionalArn(ground, 'secretsmanager', 'secret:*')],
  },
  setAdmin: {
    words: 'the state machine in the output `SetAdminStateMachineArn`',
    Sid: 'SetAdmin',
    arns: ground => [stateMachineArn(ground, 'set-admin')],
  },
  settingAdmins: {
    words: 'its executions',
    Sid: 'SettingAdmins',
    arns: ground => [executionArns(ground, 'set-admin')],
  },
  rotateSecret: {
    words: 'the function in the output `RotateSecretFunctionArn`',
    Sid: 'RotateSecret',
    arns: ground => [rotateSecretArn(ground)],
  },
  rotate: {
    words: 'the state machine in the output `RotateStateMachineArn`',
    Sid: 'Rotate',
    arns: ground => [stateMachineArn(ground, 'rotate')],
  },
  rotations: {
    words: 'the executions of `RotateStateMachineArn`',
    Sid: 'Rotations',
    arns: ground => [executionArns(ground, 'rotate')],
  },
  rotateDue: {
    words: 'the state machine in the output `RotateDueStateMachineArn`',
    Sid: 'RotateDue',
    arns: ground => [stateMachineArn(ground, 'rotate-due')],
  },
  servers: {
    words: 'the state machine of `RotateStateMachineArn`, with `-server` at its end',
    Sid: 'Servers',
    arns: ground => [stateMachineArn(ground, 'rotate-server')],
  },
  check: {
    words: 'the state machine in the output `CheckStateMachineArn`',
    Sid: 'Check',
    arns: ground => [stateMachineArn(ground, 'check')],
  },
  checks: { words: 'its executions', Sid: 'Checks', arns: ground => [executionArns(ground, 'check')] },
  records: {
    words: 'the table in the output `RotationTableName`, and its indexes',
    Sid: 'Records',
    arns: ground => [
      regionalArn(ground, 'dynamodb', `table/${ground.namePrefix}-rotations`),
      regionalArn(ground, 'dynamodb', `table/${ground.namePrefix}-rotations/index/*`),
    ],
  },
  recordsEverywhere: {
    words: 'the table in the output `RotationTableName`, in every Region',
    Sid: 'RecordsEverywhere',
    arns: ground => [everyRegionArn(ground, 'dynamodb', `table/${ground.namePrefix}-rotations`)],
  },
  promotionTable: {
    words: 'the table in the output `PromotionTableName`',
    Sid: 'Promotions',
    arns: ground => [regionalArn(ground, 'dynamodb', `table/${ground.namePrefix}-promotions`)],
  },
  promote: {
    words: 'the state machine in the output `PromoteStateMachineArn`',
    Sid: 'Promote',
    arns: ground => [stateMachineArn(ground, 'promote')],
  },
  promoting: {
    words: 'its executions',
    Sid: 'Promoting',
    arns: ground => [executionArns(ground, 'promote')],
  },
  rotatingElsewhere: {
    words: "the other Region's rotations: its stack's `RotateStateMachineArn` and executions",
    Sid: 'RotatingElsewhere',
    arns: ground => [
      stateMachineArn({ ...ground, region: '*' }, 'rotate'),
      executionArns({ ...ground, region: '*' }, 'rotate'),
    ],
  },
  stacks: {
    words: 'the stack, also in the peer Regions',
    Sid: 'Stacks',
    arns: ground => [everyRegionArn(ground, 'cloudformation', `stack/${ground.stack}/*`)],
  },
  functions: {
    words: 'every function, as any may rotate a secret',
    Sid: 'Functions',
    arns: ground => [everyRegionArn(ground, 'lambda', 'function:*')],
  },
  queueReaders: {
    words: 'what reads queues',
    Sid: 'QueueReaders',
    arns: ground => [regionalArn(ground, 'lambda', 'event-source-mapping:*')],
  },
  queues: {
    words: "the stack's queues",
    Sid: 'Queues',
    arns: ground => [regionalArn(ground, 'sqs', `${ground.namePrefix}-*`)],
  },
  topics: {
    words: 'the topic in the output `AlarmTopicArn`, also in the peer Regions',
    Sid: 'Topics',
    arns: ground => [everyRegionArn(ground, 'sns', `${ground.namePrefix}-alarms`)],
  },
  rules: {
    words: "the stack's rules",
    Sid: 'Rules',
    arns: ground => [
      regionalArn(ground, 'events', `rule/${ground.stack}-*`),
      regionalArn(ground, 'events', `rule/*/${ground.stack}-*`),
    ],
  },
  schedules: {
    words: "the stack's schedules",
    Sid: 'Schedules',
    arns: ground => [regionalArn(ground, 'scheduler', `schedule/default/${ground.namePrefix}-*`)],
  },
  scheduleRoles: {
    words: 'the roles of its schedules',
    Sid: 'ScheduleRoles',
    arns: ({ partition, account, stack }) => [`arn:${partition}:iam::${account}:role/${stack}-*`],
  },
  analyzers: {
    words: 'the analyzers',
    Sid: 'Analyzers',
    arns: ground => [everyRegionArn(ground, 'access-analyzer', 'analyzer/*')],
  },
} as const satisfies Record<string, PolicyResource>

export type PolicyResourceName = keyof typeof policyResources
export const policyResource = (name: PolicyResourceName): PolicyResource => policyResources[name]
