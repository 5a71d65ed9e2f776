import { readFileSync, writeFileSync } from 'node:fs'
import type { MachineName, TaskName } from '../fleet/states.ts'
import { withBlock } from './block.ts'

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
const passing = [
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
const nameless = ['Unexpected', 'Error', 'TypeError', 'RangeError', 'Runtime.UnhandledPromiseRejection']
/**
 * Lambda makes a function ready again after weeks without a call, which takes minutes; so does it until an address, or a network
 * interface, of the VPC is free.
 */
const unready = [
  'Lambda.CodeArtifactUserDeletedException',
  'Lambda.CodeArtifactUserPendingException',
  'Lambda.ENILimitReachedException',
  'Lambda.ENINotReadyException',
  'Lambda.ResourceConflictException',
  'Lambda.ResourceNotReadyException',
  'Lambda.SubnetIPAddressLimitReachedException',
]

const inSeconds = {
  IntervalSeconds: 2,
  BackoffRate: 2,
  MaxDelaySeconds: 60,
  MaxAttempts: 9,
  JitterStrategy: 'FULL',
} as const
const inMinutes = { IntervalSeconds: 5, BackoffRate: 1, MaxAttempts: 240 }
const whileRunning = { IntervalSeconds: 5, BackoffRate: 1.5, MaxDelaySeconds: 30 }

/** Everything that a state machine does once more after a failure. */
const retriers = {
  passing: { ErrorEquals: passing, ...inSeconds },
  /** The same, where another call is cheap, and others wait. */
  soon: { ErrorEquals: passing, ...inSeconds, MaxAttempts: 4 },
  /** A rollback also goes on after an error that nobody foresaw. */
  passingOrNameless: { ErrorEquals: [...passing, ...nameless], ...inSeconds },
  /** What changed nothing yet may be asked again after such an error, though not for long. */
  nameless: { ErrorEquals: nameless, IntervalSeconds: 1, BackoffRate: 2, MaxAttempts: 3 },
  unready: { ErrorEquals: unready, ...inMinutes },
  /** What can be done without is not waited for. */
  quickly: {
    ErrorEquals: ['Lambda.ServiceException', 'Lambda.SdkClientException', 'Lambda.TooManyRequestsException'],
    IntervalSeconds: 1,
    BackoffRate: 2,
    MaxAttempts: 2,
  },
  /** RDS at work as well. */
  busy: { ErrorEquals: ['RdsBusy', ...unready], ...inMinutes },
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
    ErrorEquals: ['ReplicasBehind', 'NotPermitted', 'StoreFailed', ...passing, ...nameless],
    IntervalSeconds: 60,
    BackoffRate: 2,
    MaxDelaySeconds: 900,
    MaxAttempts: 675,
  },
  /** Another look at what still runs: a rotation, or a whole server. */
  rotating: { ErrorEquals: ['RotationInProgress'], ...whileRunning, MaxAttempts: 120 },
  serverAtWork: { ErrorEquals: ['RotationInProgress'], ...whileRunning, MaxAttempts: 2000 },
  /** Before a planned promotion: what runs in the other Region ends, and the replica follows, within half an hour. */
  handingOver: {
    ErrorEquals: ['RotationInProgress', 'ReplicasBehind'],
    IntervalSeconds: 5,
    BackoffRate: 1.5,
    MaxDelaySeconds: 30,
    MaxAttempts: 60,
  },
  /** AWS's own services: the event bus, or Step Functions. */
  service: { ErrorEquals: ['States.ALL'], ...inSeconds, MaxAttempts: 6 },
  /** The rotation that follows was started by a try whose answer was lost. */
  started: { ErrorEquals: ['StepFunctions.ExecutionAlreadyExistsException'], MaxAttempts: 0 },
} satisfies Record<string, Retrier>
type Retriers = (keyof typeof retriers)[]

const step: Retriers = ['passing', 'busy']
const stepWithAdmin: Retriers = [...step, 'admin']
const testStep: Retriers = [...step, 'nameless']
const rollback: Retriers = ['passingOrNameless', 'busy', 'admin']
const ofFleet: Retriers = ['passing', 'unready']

/** What each state that calls something tries again, in the order in which Step Functions looks for the error's name. */
const blocks: { [Machine in MachineName]: Record<TaskName<Machine>, Retriers> } = {
  check: {
    // Not after what may have come once it had logged in: a server may lock the account.
    CheckCredential: ['quickly', 'unready'],
    AnnounceChecked: ['service'],
    AnnounceNotChecked: ['service'],
  },
  promote: {
    FindReplicas: ofFleet,
    HandOver: [...ofFleet, 'handingOver'],
    FindVersion: ['soon', 'unready'],
    NoteBegun: ofFleet,
    PromoteReplica: step,
    FenceOff: ['quickly'],
    NoteOutcome: ofFleet,
    ReportPromotion: ofFleet,
    AnnounceNotReady: ['service'],
    AnnouncePromotion: ['service'],
  },
  rotate: {
    LookAtReplicas: [...step, 'behindBefore'],
    CreateSecret: step,
    AwaitPendingReplicas: ['quickly'],
    DiscardSecret: rollback,
    RollbackAbandoned: rollback,
    SetSecret: stepWithAdmin,
    TestSecret: testStep,
    // As the steps that they rehearse.
    RehearseTest: testStep,
    RehearseFinish: step,
    RehearseRollback: rollback,
    FinishSecret: step,
    AnnounceSuccess: ['service'],
    AwaitReplicas: [...step, 'behind'],
    AnnounceReplicasBehind: ['service'],
    AwaitReplicasLonger: ['unready', 'behindForDays'],
    AnnounceReplicated: ['service'],
    LookBeforeRetiring: [...step, 'behind'],
    RetireSecret: stepWithAdmin,
    MayMoveBack: stepWithAdmin,
    LookBeforeMovingBack: [...step, 'behind'],
    MoveBack: ['started', 'service'],
    AnnounceRetirementFailure: ['service'],
    RollbackSecret: rollback,
    AnnounceFailure: ['service'],
    AnnounceLockout: ['service'],
  },
  'rotate-due': {
    FindDue: ofFleet,
    AnnounceLate: ['service'],
    RotateServer: ['serverAtWork', ...ofFleet],
    AnnounceRun: ['service'],
  },
  'rotate-server': {
    TakeSlot: ['serverAtWork', ...ofFleet],
    StartRotation: ofFleet,
    AwaitRotation: ['rotating', ...ofFleet],
    ReportRotations: ofFleet,
    AnnounceFailures: ['service'],
  },
  'set-admin': {
    SetAdmin: [...ofFleet, 'nameless'],
    AnnounceAdminSet: ['service'],
  },
}

export const machines = Object.keys(blocks) as MachineName[]
export const pathOf = (machine: MachineName) =>
  new URL(`../statemachines/${machine}.asl.json`, import.meta.url)

/** The states of a machine that have a Retry block. */
export const retrying = (machine: MachineName) => Object.keys(blocks[machine])

/** A state machine's JSON with every Retry block as it should be. @throws if a state has none to be replaced */
export function withRetriers(machine: MachineName, json: string): string {
  const states: [string, Retriers][] = Object.entries(blocks[machine])
  return states.reduce((text, [state, names]) => {
    const indent = new RegExp(`^ *(?="${state}": \\{$)`, 'm').exec(text)?.[0] ?? ''
    const inside = `${indent}  `
    const block = new RegExp(
      `(?<=\\n${indent}"${state}": \\{\\n(?:${inside}.*\\n)*?${inside})"Retry": \\[[\\s\\S]*?\\n${inside}\\]`,
    )
    const entries = names.map(name => written(retriers[name], `${inside}  `))
    return withBlock(text, block, `"Retry": [\n${entries.join(',\n')}\n${inside}]`)
  }, json)
}

/** A retrier as the formatter lays it out. */
function written(retrier: Retrier, indent: string): string {
  const fields = Object.entries(retrier).map(([key, value]) => {
    const json = Array.isArray(value) ? listed(value, `${indent}  `) : JSON.stringify(value)
    return `${indent}  "${key}": ${json}`
  })
  return `${indent}{\n${fields.join(',\n')}\n${indent}}`
}

/** In one line, if that is not longer than a line may be. */
function listed(names: string[], indent: string): string {
  const quoted = names.map(name => JSON.stringify(name))
  const line = `[${quoted.join(', ')}]`
  if (`${indent}"ErrorEquals": ${line},`.length <= 110) return line
  return `[\n${quoted.map(name => `${indent}  ${name}`).join(',\n')}\n${indent}]`
}

if (import.meta.main)
  for (const machine of machines)
    writeFileSync(pathOf(machine), withRetriers(machine, readFileSync(pathOf(machine), 'utf8')))
