import { readFileSync, writeFileSync } from 'node:fs'
import type { MachineName, TaskName } from '../fleet/states.ts'
import { replaceBlock } from './replaceBlock.ts'

/** An entry of a Retry block, as the state machines' language has it. */
type Retrier = {
  ErrorEquals: string[]
  IntervalSeconds?: number
  BackoffRate?: number
  MaxDelaySeconds?: number
  MaxAttempts: number
  JitterStrategy?: 'FULL'
}

/**
 * Another try may go well within seconds: the network, a service that is asked too much, and what befalls a function. Of
 * Lambda's errors these and the following are those that can pass, by the descriptions of its Invoke API and by what Step
 * Functions says of Lambda's service exceptions; functions here have no file system, SnapStart or durable execution.
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
/** What an error without a name of ours is called, also one that is thrown outside every promise and ends the process. */
const UNNAMED_ERRORS = ['Unexpected', 'Error', 'TypeError', 'RangeError', 'Runtime.UnhandledPromiseRejection']
/**
 * Lambda makes a function ready again after weeks without a call, which takes minutes; so does it until an address, or a network
 * interface, of the VPC is free.
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

const BACKOFF_FROM_SECONDS = {
  IntervalSeconds: 2,
  BackoffRate: 2,
  MaxDelaySeconds: 60,
  MaxAttempts: 9,
  JitterStrategy: 'FULL',
} as const
const RETRY_FOR_20_MINUTES = { IntervalSeconds: 5, BackoffRate: 1, MaxAttempts: 240 }
const POLL_WHILE_RUNNING = { IntervalSeconds: 5, BackoffRate: 1.5, MaxDelaySeconds: 30 }

/** Everything that a state machine does once more after a failure. */
const RETRIERS = {
  passing: { ErrorEquals: TRANSIENT_ERRORS, ...BACKOFF_FROM_SECONDS },
  /** The same, where another call is cheap, and others wait. */
  soon: { ErrorEquals: TRANSIENT_ERRORS, ...BACKOFF_FROM_SECONDS, MaxAttempts: 4 },
  /** A rollback also goes on after an error that nobody foresaw. */
  passingOrNameless: { ErrorEquals: [...TRANSIENT_ERRORS, ...UNNAMED_ERRORS], ...BACKOFF_FROM_SECONDS },
  /** What changed nothing yet may be asked again after such an error, though not for long. */
  nameless: { ErrorEquals: UNNAMED_ERRORS, IntervalSeconds: 1, BackoffRate: 2, MaxAttempts: 3 },
  unready: { ErrorEquals: NOT_READY_ERRORS, ...RETRY_FOR_20_MINUTES },
  /** What can be done without is not waited for. */
  quickly: {
    ErrorEquals: ['Lambda.ServiceException', 'Lambda.SdkClientException', 'Lambda.TooManyRequestsException'],
    IntervalSeconds: 1,
    BackoffRate: 2,
    MaxAttempts: 2,
  },
  /** RDS at work as well. */
  busy: { ErrorEquals: ['RdsBusy', ...NOT_READY_ERRORS], ...RETRY_FOR_20_MINUTES },
  /** The admin's password may be rotating right now. */
  admin: { ErrorEquals: ['AdminRefused'], IntervalSeconds: 10, BackoffRate: 1, MaxAttempts: 12 },
  /** Nobody is refused meanwhile, and the next rotation may be due for long. */
  behindBefore: {
    ErrorEquals: ['ReplicasBehind'],
    IntervalSeconds: 5,
    BackoffRate: 2,
    MaxDelaySeconds: 60,
    MaxAttempts: 5,
  },
  /** A replica follows within seconds, mostly; if not, somebody has to mend something, which may take days. */
  behind: {
    ErrorEquals: ['ReplicasBehind'],
    IntervalSeconds: 5,
    BackoffRate: 2,
    MaxDelaySeconds: 60,
    MaxAttempts: 8,
  },
  /** Whatever it is that passes, within days: an outage of the own Region as well. A secret that is gone ends it. */
  behindForDays: {
    ErrorEquals: ['ReplicasBehind', 'NotPermitted', 'StoreFailed', ...TRANSIENT_ERRORS, ...UNNAMED_ERRORS],
    IntervalSeconds: 60,
    BackoffRate: 2,
    MaxDelaySeconds: 900,
    MaxAttempts: 675,
  },
  /** Another look at what still runs: a rotation, or a whole server. */
  rotating: { ErrorEquals: ['RotationInProgress'], ...POLL_WHILE_RUNNING, MaxAttempts: 120 },
  serverAtWork: { ErrorEquals: ['RotationInProgress'], ...POLL_WHILE_RUNNING, MaxAttempts: 2000 },
  /** Before a planned promotion: what runs in the other Region ends, and the replica follows, within half an hour. */
  handingOver: {
    ErrorEquals: ['RotationInProgress', 'ReplicasBehind'],
    IntervalSeconds: 5,
    BackoffRate: 1.5,
    MaxDelaySeconds: 30,
    MaxAttempts: 60,
  },
  /** AWS's own services: the event bus, or Step Functions. */
  service: { ErrorEquals: ['States.ALL'], ...BACKOFF_FROM_SECONDS, MaxAttempts: 6 },
  /** The rotation that follows was started by a try whose answer was lost. */
  started: { ErrorEquals: ['StepFunctions.ExecutionAlreadyExistsException'], MaxAttempts: 0 },
} satisfies Record<string, Retrier>
type RetrierNames = (keyof typeof RETRIERS)[]

const STEP_RETRIERS: RetrierNames = ['passing', 'busy']
const STEP_WITH_ADMIN_RETRIERS: RetrierNames = [...STEP_RETRIERS, 'admin']
const TEST_STEP_RETRIERS: RetrierNames = [...STEP_RETRIERS, 'nameless']
const ROLLBACK_RETRIERS: RetrierNames = ['passingOrNameless', 'busy', 'admin']
const FLEET_RETRIERS: RetrierNames = ['passing', 'unready']

/** What each state that calls something tries again, in the order in which Step Functions looks for the error's name. */
const RETRIERS_BY_STATE: { [Machine in MachineName]: Record<TaskName<Machine>, RetrierNames> } = {
  check: {
    // Not after what may have come once it had logged in: a server may lock the account.
    CheckCredential: ['quickly', 'unready'],
    AnnounceChecked: ['service'],
    AnnounceNotChecked: ['service'],
  },
  promote: {
    FindReplicas: FLEET_RETRIERS,
    HandOver: [...FLEET_RETRIERS, 'handingOver'],
    FindVersion: ['soon', 'unready'],
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
    // As the steps that they rehearse.
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
    SetAdmin: [...FLEET_RETRIERS, 'nameless'],
    AnnounceAdminSet: ['service'],
  },
}

export const machineNames = Object.keys(RETRIERS_BY_STATE) as MachineName[]
export const definitionUrlOf = (machine: MachineName) =>
  new URL(`../statemachines/${machine}.asl.json`, import.meta.url)

/** The states of a machine that have a Retry block. */
export const retryingStates = (machine: MachineName) => Object.keys(RETRIERS_BY_STATE[machine])

/** A state machine's JSON with every Retry block as it should be. @throws if a state has none to be replaced */
export function withRetriers(machine: MachineName, json: string): string {
  const states: [string, RetrierNames][] = Object.entries(RETRIERS_BY_STATE[machine])
  return states.reduce((text, [state, names]) => {
    const indent = new RegExp(`^ *(?="${state}": \\{$)`, 'm').exec(text)?.[0] ?? ''
    const inside = `${indent}  `
    const block = new RegExp(
      `(?<=\\n${indent}"${state}": \\{\\n(?:${inside}.*\\n)*?${inside})"Retry": \\[[\\s\\S]*?\\n${inside}\\]`,
    )
    const entries = names.map(name => formatRetrier(RETRIERS[name], `${inside}  `))
    return replaceBlock(text, block, `"Retry": [\n${entries.join(',\n')}\n${inside}]`)
  }, json)
}

/** A retrier as the formatter lays it out. */
function formatRetrier(retrier: Retrier, indent: string): string {
  const fields = Object.entries(retrier).map(([key, value]) => {
    const json = Array.isArray(value) ? formatErrorNames(value, `${indent}  `) : JSON.stringify(value)
    return `${indent}  "${key}": ${json}`
  })
  return `${indent}{\n${fields.join(',\n')}\n${indent}}`
}

/** In one line, if that is not longer than a line may be. */
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
