import { consoleUrlOf } from '../fleet/consoleUrl.ts'
import type { RotationRecord } from '../fleet/records/rotationRecord.ts'
import { fullId } from './credential.ts'
import { formatDuration, formatTime, sanitize } from './output.ts'

/** What started a rotation, to follow "started by". */
const STARTER_TEXTS: Record<RotationRecord['startedBy'], string> = {
  schedule: 'its schedule',
  'secrets-manager': 'Secrets Manager',
  policy: "its parameter's policy",
  'way-back': 'the move back from its clone',
  'by-hand': 'hand',
}

/** The id of a credential as the command prints it, `secret:NAME` or `parameter:NAME`. A record may have no name, only an `id`. */
export const idOf = ({ store, name, id }: Pick<RotationRecord, 'store' | 'name' | 'id'>): string =>
  fullId(store, name ?? id)

/** How a rotation ended, how long it took, and what started it, in one line. */
export function outcomeText(record: RotationRecord): string {
  const { outcome, error, step, rollback, milliseconds, startedBy } = record
  const took = milliseconds === undefined ? '' : ` in ${formatDuration(milliseconds)}`
  const by = `, started by ${STARTER_TEXTS[startedBy] ?? sanitize(startedBy)}`
  if (outcome === 'rotated') return `rotated${took}${by}`
  if (outcome === 'running') return `has begun${by}`
  const why = error ? ` with ${sanitize(error)}${step ? ` at ${sanitize(step)}` : ''}` : ''
  const outcomes = {
    failed: 'failed',
    stopped: 'was stopped',
    'locked-out': 'failed, and so did its rollback,',
  }
  const rollbackEnd = rollback && outcome === 'failed' ? `; rollback: ${sanitize(rollback)}` : ''
  return `${outcomes[outcome]}${why}${took}${by}${rollbackEnd}`
}

/** What became of the user or password that a rotation replaced; undefined if there was nothing to close. */
export function retirementText(record: RotationRecord): string | undefined {
  const { retirement, openUntil, retired, retirementError, user } = record
  const old = user ? sanitize(user) : 'the old one'
  const when = retired ? ` at ${formatTime(new Date(retired))}` : ''
  switch (retirement) {
    case undefined:
      return undefined
    case 'open':
      return `${old} stays open${openUntil ? ` ${untilText(new Date(openUntil))}` : ''}`
    case 'never':
      return `${old} stays open: its grace time has no end`
    case 'not-closed':
      return `${old} was not closed${when}${retirementError ? `: ${sanitize(retirementError)}` : ''}`
    case 'not-dropped':
      return `${old} was closed${when}, and not dropped`
    case 'taken-up':
      return `${old} was left to a later rotation${when}`
    case 'moved-back':
      return `the application was moved back${when}`
    default:
      return `${old} was closed${when}`
  }
}

function untilText(until: Date): string {
  const left = until.getTime() - Date.now()
  return `until ${formatTime(until)}${left > 0 ? `, for ${formatDuration(left)}` : ''}`
}

/** The user before and after a rotation, the host, the engine and the strategy; undefined where there is no strategy. */
export function usersText({
  user,
  nextUser,
  host,
  address,
  engine,
  strategy,
}: RotationRecord): string | undefined {
  if (!strategy) return undefined
  const users = user && nextUser && user !== nextUser ? `${user} to ${nextUser}` : (nextUser ?? '')
  const where = address ?? host
  return sanitize(`${users}${where ? ` on ${where}` : ''} (${engine}, ${strategy})`).trim()
}

/** The URL of an execution in the AWS console; its ARN where there is no such URL. */
export const executionLink = ({ execution }: RotationRecord): string =>
  consoleUrlOf(execution) ?? sanitize(execution)
