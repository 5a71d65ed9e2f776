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
 * Whether createSecret refused the rotation because the secret is also a secret of its own in another Region. The database may then
 * be that Region's, so this rollback must not change it.
 */
const isPromotedElsewhere = ({ failure }: Failed) =>
  failure?.Error === ('PromotedElsewhere' satisfies PromotedElsewhere['name'])

/**
 * Rolls a rotation back: makes the current value valid in the database again, and discards the pending value. The rotation is this
 * one or, in the state RollbackAbandoned, an earlier one that was abandoned. Or the function rehearses a rollback.
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
      // A lockout that was there before the rotation began raises an alarm too, but is not counted again.
      if (error instanceof LockedOut && !error.wasLockedOutBefore) count('LockedOut', {})
      throw error
    }
  },
)
