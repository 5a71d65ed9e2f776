import type { StoreName } from '../../rotation/stores/store.ts'

/**
 * What started a rotation, by the execution's input. Whoever may start executions can make any input, so it is not proven.
 * `way-back`: the second half of a rotation by a temporary clone. `by-hand`: a person, or the `keyturn` command.
 */
export type Starter = 'schedule' | 'secrets-manager' | 'policy' | 'way-back' | 'by-hand'

/**
 * What is kept of one rotation, which is one execution of the state machine rotate. Every field comes from the execution's history,
 * which Step Functions deletes after 90 days (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html). No secret
 * value is in it. A field that the execution did not come to know is left out, such as the user if createSecret failed.
 */
export type RotationRecord = {
  store: StoreName
  /** What the execution was started with: a name or an ARN. */
  id: string
  name?: string
  arn?: string
  /** The execution's ARN. */
  execution: string
  /** The rotation's token: the id of the version that it makes. */
  token: string
  startedBy: Starter
  strategy?: string
  engine?: string
  host?: string
  /** Host and port. */
  address?: string
  user?: string
  nextUser?: string
  /** ARN of the admin's secret that the value names. */
  admin?: string
  /** When the rotation began. ISO 8601, UTC, as all times here. */
  began: string
  /** When its outcome was known. The execution may go on after that, as in the grace time. */
  ended?: string
  milliseconds?: number
  outcome: Outcome
  /** The name of the error that the rotation failed with, the state that failed, and the error's message in one line. */
  error?: string
  step?: string
  reason?: string
  /** How the rollback ended: the table in docs/events.md has the texts. */
  rollback?: string
  retirement?: Retirement
  /** When the replaced user or password is going to be closed; set while the retirement is `open`. */
  openUntil?: string
  /** When the retirement ended, and the name of the error that it failed with. */
  retired?: string
  retirementError?: string
  /** Since when a replica is known not to have the new value, and which one and why. Both are unset once all replicas have it. */
  behindSince?: string
  behind?: string
}

/** The latest successful one of these rotations, which have to be ordered with the latest first. */
export const latestSuccess = <Kept extends Pick<RotationRecord, 'outcome'>>(
  records: Kept[],
): Kept | undefined => records.find(({ outcome }) => outcome === 'rotated')

/**
 * How a rotation ended. `locked-out`: the rollback failed too, so the application may be locked out. `stopped`: the execution ended
 * before it announced an outcome, as when somebody stopped it.
 */
export type Outcome = 'running' | 'rotated' | 'failed' | 'locked-out' | 'stopped'

/**
 * What became of the user or password that a rotation replaced. `open`: it can log in until the grace time ends. `closed`: it can
 * log in no more. `not-dropped`: the same, but the temporary clone still exists. `not-closed`: it could not be closed, the
 * execution ended before that, or a replica did not follow in time. `taken-up`: a later rotation closes it. `moved-back`: a
 * rotation of its own moves the application back from the temporary clone. `never`: it stays open, as the grace time has no end.
 */
export type Retirement =
  | 'open'
  | 'closed'
  | 'not-dropped'
  | 'not-closed'
  | 'taken-up'
  | 'moved-back'
  | 'never'
