import { readFileSync, writeFileSync } from 'node:fs'
import type { MachineName, TaskName } from '../fleet/states.ts'
import { replaceBlock } from './replaceBlock.ts'

/**
 * A retrier: an entry of a Retry block in the Amazon States Language.
 * https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
 */
type Retrier = {
  ErrorEquals: string[]
  IntervalSeconds?: number
  BackoffRate?: number
  MaxDelaySeconds?: number
  MaxAttempts: number
  JitterStrategy?: 'FULL'
}

/**
 * The errors that another try may resolve within seconds: a network failure, a throttled service, or a failed function. Lambda's
 * errors here and in NOT_READY_ERRORS are those that its Invoke API
 * (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html) describes as temporary, or that Step Functions recommends to
 * retry (https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html). Errors of file systems, SnapStart and
 * durable execution are missing, as no function here uses these.
 */
const TRANSIENT_ERRORS = [
  'Unreachable',
  'Throttled',
  'Conflict',
  'Lambda.EC2ThrottledException',
  'Lambda.EC2UnexpectedException',
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.TooManyRequestsException',
  'Lambda.Unknown',
  'Runtime.ExitError',
  'Sandbox.Timedout',
  'States.Timeout',
]
/** Errors that no code of Keyturn throws on purpose. The last one ends the process of a function, because nothing catches it. */
const UNFORESEEN_ERRORS = [
  'Unexpected',
  'Error',
  'TypeError',
  'RangeError',
  'Runtime.UnhandledPromiseRejection',
]
/**
 * The errors of a function that Lambda cannot start yet, which may last for minutes: the function was inactive for weeks, or no IP
 * address or network interface is free in its VPC.
 */
const NOT_READY_ERRORS = [
  'Lambda.CodeArtifactUserDeletedException',
  'Lambda.CodeArtifactUserPendingException',
  'Lambda.ENILimitReachedException',
  'Lambda.ENINotReadyException',
  'Lambda.ResourceConflictException',
  'Lambda.ResourceNotReadyException',
  'Lambda.SubnetIPAddressLimitReachedException',
]

const BACKOFF_FOR_MINUTES = {
  IntervalSeconds: 2,
  BackoffRate: 2,
  MaxDelaySeconds: 60,
  MaxAttempts: 9,
  JitterStrategy: 'FULL',
} as const
const RETRY_FOR_20_MINUTES = { IntervalSeconds: 5, BackoffRate: 1, MaxAttempts: 240 }
const POLL_WHILE_RUNNING = { IntervalSeconds: 5, BackoffRate: 1.5, MaxDelaySeconds: 30 }

/** All retriers of the state machines, by the names that RETRIERS_BY_STATE uses. */
const RETRIERS = {
  /** For most states. */
  transient: { ErrorEquals: TRANSIENT_ERRORS, ...BACKOFF_FOR_MINUTES },
  /** Fewer tries, for a state for which other credentials wait. */
  briefly: { ErrorEquals: TRANSIENT_ERRORS, ...BACKOFF_FOR_MINUTES, MaxAttempts: 4 },
  /** For a rollback, which has to go on after an unforeseen error too. */
  transientOrUnforeseen: {
    ErrorEquals: [...TRANSIENT_ERRORS, ...UNFORESEEN_ERRORS],
    ...BACKOFF_FOR_MINUTES,
  },
  /** A few tries after an unforeseen error, for a state that changes nothing or can be repeated. */
  unforeseen: { ErrorEquals: UNFORESEEN_ERRORS, IntervalSeconds: 1, BackoffRate: 2, MaxAttempts: 3 },
  /** For functions that Lambda may have to make ready first. */
  unready: { ErrorEquals: NOT_READY_ERRORS, ...RETRY_FOR_20_MINUTES },
  /** Two quick tries after an error of Lambda itself, for a state that is optional, or that must not be repeated after a login. */
  quickly: {
    ErrorEquals: ['Lambda.ServiceException', 'Lambda.SdkClientException', 'Lambda.TooManyRequestsException'],
    IntervalSeconds: 1,
    BackoffRate: 2,
    MaxAttempts: 2,
  },
  /** For functions that Lambda may have to make ready first, and that wait until RDS has applied an earlier change. */
  busy: { ErrorEquals: ['RdsBusy', ...NOT_READY_ERRORS], ...RETRY_FOR_20_MINUTES },
  /** Two minutes, as the admin's own password may be rotating right now. */
  admin: { ErrorEquals: ['AdminRefused'], IntervalSeconds: 10, BackoffRate: 1, MaxAttempts: 12 },
  /** For lagging replicas before a rotation: a short wait, as nothing has changed yet and a later rotation may look again. */
  behindBefore: {
    ErrorEquals: ['ReplicasBehind'],
    IntervalSeconds: 5,
    BackoffRate: 2,
    MaxDelaySeconds: 60,
    MaxAttempts: 5,
  },
  /** For lagging replicas after the change: most follow within seconds, and otherwise a person has to act. */
  behind: {
    ErrorEquals: ['ReplicasBehind'],
    IntervalSeconds: 5,
    BackoffRate: 2,
    MaxDelaySeconds: 60,
    MaxAttempts: 8,
  },
  /** For lagging replicas during seven days, in which this Region may have an outage. A deleted secret ends the wait. */
  behindForDays: {
    ErrorEquals: ['ReplicasBehind', 'NotPermitted', 'StoreFailed', ...TRANSIENT_ERRORS, ...UNFORESEEN_ERRORS],
    IntervalSeconds: 60,
    BackoffRate: 2,
    MaxDelaySeconds: 900,
    MaxAttempts: 675,
  },
  /** Waits for a rotation that runs. */
  rotating: { ErrorEquals: ['RotationInProgress'], ...POLL_WHILE_RUNNING, MaxAttempts: 120 },
  /** Waits for all rotations on a server, or for a free slot. */
  serverAtWork: { ErrorEquals: ['RotationInProgress'], ...POLL_WHILE_RUNNING, MaxAttempts: 2000 },
  /** Waits, before a planned promotion, until the rotation in the other Region ends and the replica follows: half an hour. */
  handingOver: {
    ErrorEquals: ['RotationInProgress', 'ReplicasBehind'],
    IntervalSeconds: 5,
    BackoffRate: 1.5,
    MaxDelaySeconds: 30,
    MaxAttempts: 60,
  },
  /** For calls of AWS's services without a function: EventBridge and Step Functions. */
  service: { ErrorEquals: ['States.ALL'], ...BACKOFF_FOR_MINUTES, MaxAttempts: 6 },
  /** No further try: the rotation that moves an application back was started by an earlier try whose response was lost. */
  started: { ErrorEquals: ['StepFunctions.ExecutionAlreadyExistsException'], MaxAttempts: 0 },
} satisfies Record<string, Retrier>
type RetrierNames = (keyof typeof RETRIERS)[]

const STEP_RETRIERS: RetrierNames = ['transient', 'busy']
const STEP_WITH_ADMIN_RETRIERS: RetrierNames = [...STEP_RETRIERS, 'admin']
const TEST_STEP_RETRIERS: RetrierNames = [...STEP_RETRIERS, 'unforeseen']
const ROLLBACK_RETRIERS: RetrierNames = ['transientOrUnforeseen', 'busy', 'admin']
const FLEET_RETRIERS: RetrierNames = ['transient', 'unready']

/**
 * The retriers of each Task state. Step Functions uses the first one that names the error, so the order matters. Without an entry
 * for each Task of every state machine, this file does not compile.
 */
const RETRIERS_BY_STATE: { [Machine in MachineName]: Record<TaskName<Machine>, RetrierNames> } = {
  check: {
    // No retry of errors that may come after a login: the server may lock the account after several refused logins.
    CheckCredential: ['quickly', 'unready'],
    AnnounceChecked: ['service'],
    AnnounceNotChecked: ['service'],
  },
  promote: {
    FindReplicas: FLEET_RETRIERS,
    HandOver: [...FLEET_RETRIERS, 'handingOver'],
    FindVersion: ['briefly', 'unready'],
    NoteBegun: FLEET_RETRIERS,
    PromoteReplica: STEP_RETRIERS,
    FenceOff: ['quickly'],
    NoteOutcome: FLEET_RETRIERS,
    ReportPromotion: FLEET_RETRIERS,
    AnnounceNotReady: ['service'],
    AnnouncePromotion: ['service'],
  },
  rotate: {
    LookAtReplicas: [...STEP_RETRIERS, 'behindBefore'],
    CreateSecret: STEP_RETRIERS,
    AwaitPendingReplicas: ['quickly'],
    DiscardSecret: ROLLBACK_RETRIERS,
    RollbackAbandoned: ROLLBACK_RETRIERS,
    SetSecret: STEP_WITH_ADMIN_RETRIERS,
    TestSecret: TEST_STEP_RETRIERS,
    // A rehearsal has the same retriers as its step.
    RehearseTest: TEST_STEP_RETRIERS,
    RehearseFinish: STEP_RETRIERS,
    RehearseRollback: ROLLBACK_RETRIERS,
    FinishSecret: STEP_RETRIERS,
    AnnounceSuccess: ['service'],
    AwaitReplicas: [...STEP_RETRIERS, 'behind'],
    AnnounceReplicasBehind: ['service'],
    AwaitReplicasLonger: ['unready', 'behindForDays'],
    AnnounceReplicated: ['service'],
    LookBeforeRetiring: [...STEP_RETRIERS, 'behind'],
    RetireSecret: STEP_WITH_ADMIN_RETRIERS,
    MayMoveBack: STEP_WITH_ADMIN_RETRIERS,
    LookBeforeMovingBack: [...STEP_RETRIERS, 'behind'],
    MoveBack: ['started', 'service'],
    AnnounceRetirementFailure: ['service'],
    RollbackSecret: ROLLBACK_RETRIERS,
    AnnounceFailure: ['service'],
    AnnounceLockout: ['service'],
  },
  'rotate-due': {
    FindDue: FLEET_RETRIERS,
    AnnounceLate: ['service'],
    RotateServer: ['serverAtWork', ...FLEET_RETRIERS],
    AnnounceRun: ['service'],
  },
  'rotate-server': {
    TakeSlot: ['serverAtWork', ...FLEET_RETRIERS],
    StartRotation: FLEET_RETRIERS,
    AwaitRotation: ['rotating', ...FLEET_RETRIERS],
    ReportRotations: FLEET_RETRIERS,
    AnnounceFailures: ['service'],
  },
  'set-admin': {
    SetAdmin: [...FLEET_RETRIERS, 'unforeseen'],
    AnnounceAdminSet: ['service'],
  },
}

/** The names of all state machines. */
export const machineNames = Object.keys(RETRIERS_BY_STATE) as MachineName[]
/** The file URL of a state machine's definition. */
export const definitionUrlOf = (machine: MachineName) =>
  new URL(`../statemachines/${machine}.asl.json`, import.meta.url)

/** The names of a state machine's states that have a Retry block. */
export const retryingStates = (machine: MachineName) => Object.keys(RETRIERS_BY_STATE[machine])

/** The JSON of a state machine, with every Retry block as this file has it. @throws Error if a state has no Retry block */
export function withRetriers(machine: MachineName, json: string): string {
  const states: [string, RetrierNames][] = Object.entries(RETRIERS_BY_STATE[machine])
  return states.reduce((text, [state, names]) => {
    const indent = new RegExp(`^ *(?="${state}": \\{$)`, 'm').exec(text)?.[0] ?? ''
    const innerIndent = `${indent}  `
    const block = new RegExp(
      `(?<=\\n${indent}"${state}": \\{\\n(?:${innerIndent}.*\\n)*?${innerIndent})"Retry": \\[[\\s\\S]*?\\n${innerIndent}\\]`,
    )
    const entries = names.map(name => formatRetrier(RETRIERS[name], `${innerIndent}  `))
    return replaceBlock(text, block, `"Retry": [\n${entries.join(',\n')}\n${innerIndent}]`)
  }, json)
}

/** A retrier as JSON, laid out as the formatter does. */
function formatRetrier(retrier: Retrier, indent: string): string {
  const fields = Object.entries(retrier).map(([key, value]) => {
    const json = Array.isArray(value) ? formatErrorNames(value, `${indent}  `) : JSON.stringify(value)
    return `${indent}  "${key}": ${json}`
  })
  return `${indent}{\n${fields.join(',\n')}\n${indent}}`
}

/** An array of error names as JSON: in one line if that has at most 110 characters, else a line for each. */
function formatErrorNames(names: string[], indent: string): string {
  const quoted = names.map(name => JSON.stringify(name))
  const line = `[${quoted.join(', ')}]`
  if (`${indent}"ErrorEquals": ${line},`.length <= 110) return line
  return `[\n${quoted.map(name => `${indent}  ${name}`).join(',\n')}\n${indent}]`
}

if (import.meta.main)
  for (const machine of machineNames)
    writeFileSync(
      definitionUrlOf(machine),
      withRetriers(machine, readFileSync(definitionUrlOf(machine), 'utf8')),
    )
