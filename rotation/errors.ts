/**
 * Every way a rotation can end badly, one class each. `name` is the contract with statemachines/rotate.asl.json:
 * Lambda reports it as the error's type and the state machine retries and catches by it.
 * No message here or anywhere may hold a secret value.
 */
export abstract class RotationError extends Error {
  abstract override readonly name: string
  /** What to do, in one sentence, where that is known from what failed and not from the error's name alone. */
  readonly remedy: string | undefined
  constructor(message?: string, options?: ErrorOptions & { remedy?: string }) {
    super(message, options)
    this.remedy = options?.remedy
  }
}

/** The execution's input or name is not what the state machine takes. Nothing was read or changed. */
export class InvalidInput extends RotationError {
  override readonly name = 'InvalidInput'
}

/** A stored value cannot be used: `field` of it is missing or wrong. Nothing was changed. */
export class InvalidCredential extends RotationError {
  override readonly name = 'InvalidCredential'
  readonly field: string
  constructor(field: string, problem: string, options?: { remedy: string }) {
    super(`${field}: ${problem}`, options)
    this.field = field
  }
}

/** A `keyturn:*` tag or a deployment default is wrong: `option` names it. Nothing was changed. */
export class InvalidOption extends RotationError {
  override readonly name = 'InvalidOption'
  readonly option: string
  constructor(option: string, problem: string) {
    super(`${option}: ${problem}`)
    this.option = option
  }
}

/** The server answered, and refused this user with this password. */
export class LoginRefused extends RotationError {
  override readonly name = 'LoginRefused'
}

/**
 * The server refused the admin. Its own password may have turned just now: it is retried, and tried again only once the
 * admin's value is another one.
 */
export class AdminRefused extends RotationError {
  override readonly name = 'AdminRefused'
}

/** No answer from the server, or one that says "not now". May pass by itself, so it is retried. */
export class Unreachable extends RotationError {
  override readonly name = 'Unreachable'
}

/** No trustworthy TLS connection: unknown issuer, wrong host name, expired, or TLS is not offered. */
export class TlsFailed extends RotationError {
  override readonly name = 'TlsFailed'
}

/** The login works, but may not do what the rotation needs; or AWS refused the call. */
export class NotPermitted extends RotationError {
  override readonly name = 'NotPermitted'
}

/** Two values that must point to the same server do not. */
export class HostMismatch extends RotationError {
  override readonly name = 'HostMismatch'
}

/** The tag keyturn:home says that the credential rotates in another Region. Nothing was changed. */
export class NotAtHome extends RotationError {
  override readonly name = 'NotAtHome'
}

/** A replica of the secret does not follow, so that another rotation would leave its Region two values behind. */
export class ReplicasBehind extends RotationError {
  override readonly name = 'ReplicasBehind'
}

/** A host belongs to the Region that was lost, and nothing says what has taken its place. Nothing was changed. */
export class HostUnmapped extends RotationError {
  override readonly name = 'HostUnmapped'
}

/** The server lets the user in and takes no changes: the database there has not been promoted yet. Nothing was changed. */
export class StillStandby extends RotationError {
  override readonly name = 'StillStandby'
}

/** The Region that is to be given up answers, and nobody said that it is to be all the same. Nothing was changed. */
export class RegionAnswers extends RotationError {
  override readonly name = 'RegionAnswers'
}

/** A secret of the other Region has no replica in this one. Nothing was changed. */
export class ReplicaMissing extends RotationError {
  override readonly name = 'ReplicaMissing'
}

/** What has the name of a secret of the other Region here is a secret of its own. Nothing was changed. */
export class StandsAlone extends RotationError {
  override readonly name = 'StandsAlone'
}

/**
 * The secret stands alone in another Region too, as after a promotion there: whose users would turn, if both rotated. Nothing
 * was changed.
 */
export class PromotedElsewhere extends RotationError {
  override readonly name = 'PromotedElsewhere'
}

/** Another rotation of the same secret is under way. This one changed nothing. */
export class RotationInProgress extends RotationError {
  override readonly name = 'RotationInProgress'
}

/**
 * An earlier rotation died, left its version pending, and may have changed a database. It is rolled back first, then this
 * rotation goes on.
 */
export class RotationAbandoned extends RotationError {
  override readonly name = 'RotationAbandoned'
}

/** The current version is no longer the one this rotation set out to replace. */
export class Superseded extends RotationError {
  override readonly name = 'Superseded'
}

/** The token belongs to an earlier rotation whose value no longer fits. Start again with a new one. */
export class TokenReused extends RotationError {
  override readonly name = 'TokenReused'
}

/** Two writers met. May pass by itself, so it is retried. */
export class Conflict extends RotationError {
  override readonly name = 'Conflict'
}

/** RDS is at work on the database, which takes it minutes. It is retried for longer than the others. */
export class RdsBusy extends RotationError {
  override readonly name = 'RdsBusy'
}

/** AWS asked for fewer calls, or failed on its side. May pass by itself, so it is retried. */
export class Throttled extends RotationError {
  override readonly name = 'Throttled'
}

/** The new credential logs in, but is not as good as the one it replaces. */
export class TestFailed extends RotationError {
  override readonly name = 'TestFailed'
}

/** Current does not log in and no stored value could bring it back. A person has to act. */
export class LockedOut extends RotationError {
  override readonly name = 'LockedOut'
  /** By these words raiseAlarm knows one that is no rotation's doing; what stands after them is what was found. */
  static readonly BEFORE_MARK = 'it was so before this rotation began, which changed nothing'
  /** Whether it is such a one, so that the next rotation will find the same. */
  readonly wasLockedOutBefore: boolean
  /** `found` is what else is known of one that was there before. */
  constructor(problem: string, found?: string) {
    super(found === undefined ? problem : `${problem}: ${LockedOut.BEFORE_MARK}; ${found}`)
    this.wasLockedOutBefore = found !== undefined
  }
}

/**
 * The database refused a statement for a reason Keyturn does not know, or said what it does not. The message has its
 * code.
 */
export class DatabaseFailed extends RotationError {
  override readonly name = 'DatabaseFailed'
}

/** The secret store refused a call for a reason Keyturn does not know. */
export class StoreFailed extends RotationError {
  override readonly name = 'StoreFailed'
}

/** Anything else that went wrong. Its own message may quote a value, so only its kind and its stack are kept. */
export class Unexpected extends RotationError {
  override readonly name = 'Unexpected'
  constructor(error: unknown) {
    const { name, message, stack = '' } = error instanceof Error ? error : { name: typeof error, message: '' }
    super(`an unexpected ${name}`)
    const frames = stack.slice(stack.indexOf(message) + message.length)
    this.stack = [`${this.name}: ${this.message}`, ...(frames.match(/^ {4}at .*$/gm) ?? [])].join('\n')
  }
}
