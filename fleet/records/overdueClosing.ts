import { HOUR_MS } from '../../rotation/timeUnits.ts'
import type { RotationRecord } from './rotationRecord.ts'

/** How late a closing may be before it is reported. */
const OVERDUE_SLACK_MS = HOUR_MS

/**
 * When the user or password that a rotation replaced was to be closed, if that is so long ago that it should be reported and no
 * record shows that it was closed; else undefined.
 */
export const overdueClosingTime = (
  { retirement, openUntil }: Pick<RotationRecord, 'retirement' | 'openUntil'>,
  nowMs: number,
): string | undefined =>
  retirement === 'open' && openUntil && nowMs > Date.parse(openUntil) + OVERDUE_SLACK_MS
    ? openUntil
    : undefined
