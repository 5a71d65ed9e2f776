import { consoleUrlOf } from '../fleet/consoleUrl.ts'
import { RecordTable } from '../fleet/records/recordTable.ts'
import type { RotationRecord } from '../fleet/records/rotationRecord.ts'
import type { Context } from './context.ts'
import { fullId } from './credential.ts'
import { formatTime, sanitize } from './output.ts'
import { outputOf, type Stack } from './stack.ts'

/** Records of one credential that are looked at: one that went well is among them, after some failures. */
export const RECENT_RECORD_COUNT = 10

/** The stack's table of rotations. */
export async function recordTableOf({ clients }: Context, stack: Stack): Promise<RecordTable> {
  return new RecordTable(await clients.dynamo(), outputOf(stack, 'RotationTableName'))
}

const STARTER_TEXTS: Record<RotationRecord['startedBy'], string> = {
  schedule: 'its schedule',
  'secrets-manager': 'Secrets Manager',
  policy: "its parameter's policy",
  'way-back': 'the way back from its clone',
  'by-hand': 'hand',
}

/** What a record is about, as the command takes it. */
export const idOf = ({ store, name, id }: Pick<RotationRecord, 'store' | 'name' | 'id'>): string =>
  fullId(store, name ?? id)

/** How a rotation ended, and by what it was started. */
export function outcomeText(record: RotationRecord): string {
  const { outcome, error, step, rollback, milliseconds, startedBy } = record
  const took = milliseconds === undefined ? '' : ` in ${formatDuration(milliseconds)}`
  const by = `, started by ${STARTER_TEXTS[startedBy] ?? sanitize(startedBy)}`
  if (outcome === 'rotated') return `rotated${took}${by}`
  if (outcome === 'running') return `has begun${by}`
  const why = error ? ` with ${sanitize(error)}${step ? ` at ${sanitize(step)}` : ''}` : ''
  const words = { failed: 'failed', stopped: 'was stopped', 'locked-out': 'failed, and so did its rollback,' }
  const back = rollback && outcome === 'failed' ? `; rollback: ${sanitize(rollback)}` : ''
  return `${words[outcome]}${why}${took}${by}${back}`
}

/** What became of what was replaced; undefined if there was nothing to close. */
export function retirementText(record: RotationRecord): string | undefined {
  const { retirement, openUntil, retired, retirementError, user } = record
  const old = user ? sanitize(user) : 'what was replaced'
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

/** Who logs in where, before and after. */
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

/** Where to look at an execution: in the console, or else by its ARN. */
export const executionLink = ({ execution }: RotationRecord): string =>
  consoleUrlOf(execution) ?? sanitize(execution)

/** Milliseconds for a person. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds} ms`
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`
  const minutes = Math.round(milliseconds / 60_000)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  return hours < 72 ? `${hours} h` : `${Math.round(hours / 24)} days`
}
