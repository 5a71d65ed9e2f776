import { LockedOut, type PromotedElsewhere } from '../rotation/errors.ts'
import { rehearseRollback } from '../rotation/rehearse.ts'
import { discardIfUnchanged, rollback, rollbackAbandoned } from '../rotation/rollback.ts'
import { parseRollbackEvent } from './shared/event.ts'
import { count } from './shared/metrics.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { acceptRehearsal } from './shared/rehearsal.ts'
import { stepHandler } from './shared/stepHandler.ts'

type Failed = ReturnType<typeof parseRollbackEvent>['rotation']
/** Whether createSecret refused because the secret stands alone in another Region: a database may be that Region's. */
const isPromotedElsewhere = ({ failure }: Failed) =>
  failure?.Error === ('PromotedElsewhere' satisfies PromotedElsewhere['name'])

/** Makes the current value valid again and takes the pending one back: this rotation's, or an abandoned one. */
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
      // What was there before the rotation is told, but is no new lockout.
      if (error instanceof LockedOut && !error.wasLockedOutBefore) count('LockedOut', {})
      throw error
    }
  },
)
