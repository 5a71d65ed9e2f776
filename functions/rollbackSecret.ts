import { LockedOut, type PromotedElsewhere } from '../rotation/errors.ts'
import { rehearseRollback } from '../rotation/rehearse.ts'
import { discardIfUnchanged, rollback, rollbackAbandoned } from '../rotation/rollback.ts'
import { parseRollbackEvent } from './shared/event.ts'
import { count } from './shared/metrics.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { acceptRehearsal } from './shared/rehearsal.ts'
import { stepHandler } from './shared/stepHandler.ts'

type Failed = ReturnType<typeof parseRollbackEvent>['rotation']
/**
 * Whether createSecret refused because the secret is also a secret of its own in another Region. The database may then be that
 * Region's, so this rollback must not change it.
 */
const isPromotedElsewhere = ({ failure }: Failed) =>
  failure?.Error === ('PromotedElsewhere' satisfies PromotedElsewhere['name'])

/**
 * Makes the current value valid in the database again and discards the pending value: that of this rotation, or that of an
 * earlier one that was abandoned.
 */
export const handler = stepHandler(
  'rollbackSecret',
  pipelines,
  acceptRehearsal(parseRollbackEvent),
  async (pipeline, event) => {
    if (event.rehearses) return rehearseRollback(pipeline, event.rotation)
    const { abandoned, rotation } = event
    try {
      const result = await (abandoned
        ? rollbackAbandoned(pipeline, rotation.id)
        : isPromotedElsewhere(rotation)
          ? discardIfUnchanged(pipeline, rotation)
          : rollback(pipeline, rotation))
      const { engine = 'unknown', strategy = 'unknown' } = rotation
      count('RotationRolledBack', { outcome: result.outcome, engine, strategy })
      return result
    } catch (error) {
      // A lockout that was there before the rotation raises an alarm too, but does not count as a new one.
      if (error instanceof LockedOut && !error.wasLockedOutBefore) count('LockedOut', {})
      throw error
    }
  },
)
