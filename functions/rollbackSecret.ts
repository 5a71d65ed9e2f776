import { LockedOut } from '../rotation/errors.ts'
import { rollback, rollbackAbandoned } from '../rotation/rollback.ts'
import { rollbackEvent } from './shared/event.ts'
import { count } from './shared/metrics.ts'
import { stepHandler } from './shared/stepHandler.ts'

/** Makes the current value valid again and takes the pending one back: this rotation's, or an abandoned one. */
export const handler = stepHandler(
  'rollbackSecret',
  rollbackEvent,
  async (pipeline, { abandoned, rotation }) => {
    try {
      const result = abandoned
        ? await rollbackAbandoned(pipeline, rotation.id)
        : await rollback(pipeline, rotation)
      const { engine = 'unknown', strategy = 'unknown' } = rotation
      count('RotationRolledBack', { outcome: result.outcome, engine, strategy })
      return result
    } catch (error) {
      // What was there before the rotation is told, but is no new lockout.
      if (error instanceof LockedOut && !error.before) count('LockedOut', {})
      throw error
    }
  },
)
