/**
 * The base of all errors: each way in which a rotation can fail is a class. Lambda reports `name` as the type of the error, and
 * statemachines/rotate.asl.json retries and catches by it, so names must not change. No message may contain a secret value.
 */
export abstract class RotationError extends Error {
  abstract override readonly name: string
  /** What to do about it, in one sentence, if more is known than the name of the error tells. */
  readonly remedy: string | undefined
  constructor(message?: string, options?: ErrorOptions & { remedy?: string }) {
    super(message, options)
    this.remedy = options?.remedy
  }
}

/** The execution's input or name is not one that the state machine takes. Nothing was read or changed. */
export class InvalidInput extends RotationError {
  override readonly name = 'InvalidInput'
}

/**
 * A secret or its value cannot be used: `field` is missing or wrong, such as `id`, `value` or `host`. Mostly createSecret finds
 * that, before anything was changed.
 */
export class InvalidCredential extends RotationError {
  override readonly name = 'InvalidCredential'
  readonly field: string
  constructor(field: string, problem: string, options?: { remedy: string }) {
    super(`${field}: ${problem}`, options)
    this.field = field
  }
}

/** A `keyturn:*` tag or a default of the deployment is wrong. `option` is its name. Nothing was changed. */
export class InvalidOption extends RotationError {
  override readonly name = 'InvalidOption'
  readonly option: string
  constructor(option: string, problem: string) {
    super(`${option}: ${problem}`)
    this.option = option
  }
}

/** The database server answered, and refused this user with this password. */
export class LoginRefused extends RotationError {
  override readonly name = 'LoginRefused'
}

/**
 * The database server refused the admin. A rotation of the admin may have changed the admin's password just now, so this is
 * retried. A process does not try the refused value again soon: a retry waits until the admin's secret has another value.
 */
export class AdminRefused extends RotationError {
  override readonly name = 'AdminRefused'
}

/** The database server or RDS's API did not answer, or the server is not ready for logins. That may pass, so it is retried. */
export class Unreachable extends RotationError {
  override readonly name = 'Unreachable'
}

/**
 * There is no trusted TLS connection: the certificate has an unknown issuer, another host name or has expired, or TLS is not
 * offered.
 */
export class TlsFailed extends RotationError {
  override readonly name = 'TlsFailed'
}

/** The database or a pooler does not allow what the rotation needs, mostly for lack of a privilege, or IAM denied a call. */
export class NotPermitted extends RotationError {
  override readonly name = 'NotPermitted'
}

/**
 * Two values do not fit together: current names another host or user than when the rotation began, pending differs from current in
 * more than user and password, or the admin's value is for another server.
 */
export class HostMismatch extends RotationError {
  override readonly name = 'HostMismatch'
}

/** The tag keyturn:home says that the credential rotates in another Region. Nothing was changed. */
export class NotAtHome extends RotationError {
  override readonly name = 'NotAtHome'
}

/**
 * A replica of the secret does not have the version that it should have: before a rotation the current one, as the rotation would
 * leave its Region two versions behind; later the pending one, or the one that has become current.
 */
export class ReplicasBehind extends RotationError {
  override readonly name = 'ReplicasBehind'
}

/** A value names a host in the Region that was lost, and no host in this Region is known to replace it. Nothing was changed. */
export class HostUnmapped extends RotationError {
  override readonly name = 'HostUnmapped'
}

/** The database server accepts no changes, and perhaps no logins, as it has not been promoted yet. Nothing was changed. */
export class StillStandby extends RotationError {
  override readonly name = 'StillStandby'
}

/** The Region that should be given up still answers, and the promotion was not told to go on in that case. Nothing was changed. */
export class RegionAnswers extends RotationError {
  override readonly name = 'RegionAnswers'
}

/** A secret of the other Region has no replica in this one. Nothing was changed. */
export class ReplicaMissing extends RotationError {
  override readonly name = 'ReplicaMissing'
}

/** This Region has a secret with the name of a secret in the other Region that is no replica of it. Nothing was changed. */
export class StandsAlone extends RotationError {
  override readonly name = 'StandsAlone'
}

/**
 * A peer Region has a secret of its own with this ARN, no replica, as after a promotion there. If both were rotated, one could
 * change the users of the other's applications. From createSecret: nothing was changed. From awaitReplicas: the rotation went well
 * before, and what it replaced stays open.
 */
export class PromotedElsewhere extends RotationError {
  override readonly name = 'PromotedElsewhere'
}

/** Another rotation of the same secret is under way, or has taken this one's place. */
export class RotationInProgress extends RotationError {
  override readonly name = 'RotationInProgress'
}

/**
 * An earlier rotation died and left its version pending. It may have changed a database, or replicas have to be waited for before
 * its label is moved. The state machine rolls it back, then goes on with this rotation.
 */
export class RotationAbandoned extends RotationError {
  override readonly name = 'RotationAbandoned'
}

/** The current version is no longer the one that this rotation was to replace, or its own version is not pending any more. */
export class Superseded extends RotationError {
  override readonly name = 'Superseded'
}

/**
 * The token belongs to an earlier rotation whose value no longer fits, or is older than the current one. A new rotation needs
 * another token.
 */
export class TokenReused extends RotationError {
  override readonly name = 'TokenReused'
}

/**
 * Somebody else changes the same thing at this moment, or something is not ready yet, such as a replica. That may pass by itself,
 * so it is retried.
 */
export class Conflict extends RotationError {
  override readonly name = 'Conflict'
}

/** RDS is at work on the database, for some minutes. This is retried for longer than other errors. */
export class RdsBusy extends RotationError {
  override readonly name = 'RdsBusy'
}

/** An AWS service was called too often, failed, or did not answer. That may pass by itself, so it is retried. */
export class Throttled extends RotationError {
  override readonly name = 'Throttled'
}

/** The new credential logs in, but may do less than the one it replaces, or the test query failed. */
export class TestFailed extends RotationError {
  override readonly name = 'TestFailed'
}

/** The current value does not log in, and no stored value could make it valid again. A person has to act. */
export class LockedOut extends RotationError {
  override readonly name = 'LockedOut'
  /** Part of the message of a lockout that was there before the rotation began. raiseAlarm looks for it, so it must not change. */
  static readonly BEFORE_MARK = 'it was so before this rotation began, which changed nothing'
  /** Whether the current value was refused before the rotation began, so that the next rotation will find the same. */
  readonly wasLockedOutBefore: boolean
  constructor(message: string, { wasLockedOutBefore = false } = {}) {
    super(message)
    this.wasLockedOutBefore = wasLockedOutBefore
  }
  /** The error of a lockout that was there before the rotation began. `explanation` is what is known of its reason. */
  static before(problem: string, explanation: string): LockedOut {
    return new LockedOut(`${problem}: ${LockedOut.BEFORE_MARK}; ${explanation}`, { wasLockedOutBefore: true })
  }
}

/**
 * The database refused a statement for a reason that Keyturn does not know, or sent an unknown answer. The message has its
 * code.
 */
export class DatabaseFailed extends RotationError {
  override readonly name = 'DatabaseFailed'
}

/** An AWS service refused a call for a reason that Keyturn does not know. */
export class StoreFailed extends RotationError {
  override readonly name = 'StoreFailed'
}

/** Every other error. Its own message may quote a value, so only its class and its stack frames are kept. */
export class Unexpected extends RotationError {
  override readonly name = 'Unexpected'
  constructor(error: unknown) {
    const { name, message, stack = '' } = error instanceof Error ? error : { name: typeof error, message: '' }
    super(`an unexpected ${name}`)
    const frames = stack.slice(stack.indexOf(message) + message.length)
    this.stack = [`${this.name}: ${this.message}`, ...(frames.match(/^ {4}at .*$/gm) ?? [])].join('\n')
  }
}
