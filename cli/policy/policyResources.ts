import type { Condition } from './document.ts'
import type { StackLocation } from './stackLocation.ts'

/** A kind of resource that permissions are about. */
type PolicyResource = {
  /** What the tables of docs/cli.md call it. */
  words: string
  Sid: string
  arns(location: StackLocation): string[]
  condition?(location: StackLocation): Condition
}

/** The ARN of a resource in the location's Region. */
const regionalArn = ({ partition, region, account }: StackLocation, service: string, resource: string) =>
  `arn:${partition}:${service}:${region}:${account}:${resource}`
const everyRegionArn = (location: StackLocation, service: string, resource: string) =>
  regionalArn({ ...location, region: '*' }, service, resource)

const stateMachineArn = (location: StackLocation, name: string) =>
  regionalArn(location, 'states', `stateMachine:${location.namePrefix}-${name}`)
const executionArns = (location: StackLocation, name: string) =>
  regionalArn(location, 'states', `execution:${location.namePrefix}-${name}:*`)
const rotateSecretArn = (location: StackLocation) =>
  regionalArn(location, 'lambda', `function:${location.namePrefix}-rotateSecret`)

/** Allows to change no tags but Keyturn's: other tags may decide who may use a secret. */
const OWN_TAGS_CONDITION: Condition = { 'ForAllValues:StringLike': { 'aws:TagKeys': 'keyturn*' } }

/**
 * The kinds of resources that the command's permissions are about. Commands read in every Region, as replicas and peers are
 * elsewhere, and change only what is in the stack's own: `secrets` and `ownSecrets` differ in that.
 */
export const policyResources = {
  all: { words: '`*`', Sid: 'Lists', arns: () => ['*'] },
  secrets: {
    words: 'the secrets, and their replicas in other Regions',
    Sid: 'Secrets',
    arns: location => [everyRegionArn(location, 'secretsmanager', 'secret:*')],
  },
  parameters: {
    words: 'the parameters',
    Sid: 'Parameters',
    arns: location => [everyRegionArn(location, 'ssm', 'parameter/*')],
  },
  rotatedSecrets: {
    words: 'the secrets that the function in the output `RotateSecretFunctionArn` rotates',
    Sid: 'RotatedSecrets',
    arns: location => [regionalArn(location, 'secretsmanager', 'secret:*')],
    // RotateSecret could also change the rotation function and the schedule: the condition does not allow that.
    condition: location => ({
      StringEquals: { 'secretsmanager:resource/AllowRotationLambdaArn': rotateSecretArn(location) },
      StringEqualsIfExists: { 'secretsmanager:RotationLambdaARN': rotateSecretArn(location) },
      BoolIfExists: { 'secretsmanager:ModifyRotationRules': 'false' },
    }),
  },
  taggedSecrets: {
    words: 'the secrets, and their admins; only tags whose keys begin with `keyturn`',
    Sid: 'TaggedSecrets',
    arns: location => [regionalArn(location, 'secretsmanager', 'secret:*')],
    condition: () => OWN_TAGS_CONDITION,
  },
  taggedParameters: {
    words: 'the parameters; only tags whose keys begin with `keyturn`',
    Sid: 'TaggedParameters',
    arns: location => [regionalArn(location, 'ssm', 'parameter/*')],
    condition: () => OWN_TAGS_CONDITION,
  },
  ownSecrets: {
    words: 'the secrets',
    Sid: 'OwnSecrets',
    arns: location => [regionalArn(location, 'secretsmanager', 'secret:*')],
  },
  setAdmin: {
    words: 'the state machine in the output `SetAdminStateMachineArn`',
    Sid: 'SetAdmin',
    arns: location => [stateMachineArn(location, 'set-admin')],
  },
  settingAdmins: {
    words: 'its executions',
    Sid: 'SettingAdmins',
    arns: location => [executionArns(location, 'set-admin')],
  },
  rotateSecret: {
    words: 'the function in the output `RotateSecretFunctionArn`',
    Sid: 'RotateSecret',
    arns: location => [rotateSecretArn(location)],
  },
  rotate: {
    words: 'the state machine in the output `RotateStateMachineArn`',
    Sid: 'Rotate',
    arns: location => [stateMachineArn(location, 'rotate')],
  },
  rotations: {
    words: 'the executions of `RotateStateMachineArn`',
    Sid: 'Rotations',
    arns: location => [executionArns(location, 'rotate')],
  },
  rotateDue: {
    words: 'the state machine in the output `RotateDueStateMachineArn`',
    Sid: 'RotateDue',
    arns: location => [stateMachineArn(location, 'rotate-due')],
  },
  servers: {
    words: 'the state machine of `RotateStateMachineArn`, with `-server` at its end',
    Sid: 'Servers',
    arns: location => [stateMachineArn(location, 'rotate-server')],
  },
  check: {
    words: 'the state machine in the output `CheckStateMachineArn`',
    Sid: 'Check',
    arns: location => [stateMachineArn(location, 'check')],
  },
  checks: { words: 'its executions', Sid: 'Checks', arns: location => [executionArns(location, 'check')] },
  records: {
    words: 'the table in the output `RotationTableName`, and its indexes',
    Sid: 'Records',
    arns: location => [
      regionalArn(location, 'dynamodb', `table/${location.namePrefix}-rotations`),
      regionalArn(location, 'dynamodb', `table/${location.namePrefix}-rotations/index/*`),
    ],
  },
  recordsEverywhere: {
    words: 'the table in the output `RotationTableName`, in every Region',
    Sid: 'RecordsEverywhere',
    arns: location => [everyRegionArn(location, 'dynamodb', `table/${location.namePrefix}-rotations`)],
  },
  promotionTable: {
    words: 'the table in the output `PromotionTableName`',
    Sid: 'Promotions',
    arns: location => [regionalArn(location, 'dynamodb', `table/${location.namePrefix}-promotions`)],
  },
  promote: {
    words: 'the state machine in the output `PromoteStateMachineArn`',
    Sid: 'Promote',
    arns: location => [stateMachineArn(location, 'promote')],
  },
  promoting: {
    words: 'its executions',
    Sid: 'Promoting',
    arns: location => [executionArns(location, 'promote')],
  },
  rotatingElsewhere: {
    words: "the other Region's rotations: its stack's `RotateStateMachineArn` and executions",
    Sid: 'RotatingElsewhere',
    arns: location => [
      stateMachineArn({ ...location, region: '*' }, 'rotate'),
      executionArns({ ...location, region: '*' }, 'rotate'),
    ],
  },
  stacks: {
    words: 'the stack, also in the peer Regions',
    Sid: 'Stacks',
    arns: location => [everyRegionArn(location, 'cloudformation', `stack/${location.stack}/*`)],
  },
  functions: {
    words: 'every function, as any may be the rotation function of a secret',
    Sid: 'Functions',
    arns: location => [everyRegionArn(location, 'lambda', 'function:*')],
  },
  queueReaders: {
    words: 'the event source mappings of the queues',
    Sid: 'QueueReaders',
    arns: location => [regionalArn(location, 'lambda', 'event-source-mapping:*')],
  },
  queues: {
    words: "the stack's queues",
    Sid: 'Queues',
    arns: location => [regionalArn(location, 'sqs', `${location.namePrefix}-*`)],
  },
  topics: {
    words: 'the topic in the output `AlarmTopicArn`, also in the peer Regions',
    Sid: 'Topics',
    arns: location => [everyRegionArn(location, 'sns', `${location.namePrefix}-alarms`)],
  },
  rules: {
    words: "the stack's rules",
    Sid: 'Rules',
    arns: location => [
      regionalArn(location, 'events', `rule/${location.stack}-*`),
      regionalArn(location, 'events', `rule/*/${location.stack}-*`),
    ],
  },
  schedules: {
    words: "the stack's schedules",
    Sid: 'Schedules',
    arns: location => [regionalArn(location, 'scheduler', `schedule/default/${location.namePrefix}-*`)],
  },
  scheduleRoles: {
    words: 'the roles of its schedules',
    Sid: 'ScheduleRoles',
    arns: ({ partition, account, stack }) => [`arn:${partition}:iam::${account}:role/${stack}-*`],
  },
  analyzers: {
    words: 'the analyzers',
    Sid: 'Analyzers',
    arns: location => [everyRegionArn(location, 'access-analyzer', 'analyzer/*')],
  },
} as const satisfies Record<string, PolicyResource>

/** The name of a kind of resource. */
export type PolicyResourceName = keyof typeof policyResources
/** The kind of resource with this name. */
export const policyResource = (name: PolicyResourceName): PolicyResource => policyResources[name]
