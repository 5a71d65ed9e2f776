import { rehearseTest } from '../rotation/rehearse.ts'
import { testSecret } from '../rotation/steps.ts'
import { parseRotationEvent } from './shared/event.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { acceptRehearsal } from './shared/rehearsal.ts'
import { stepHandler } from './shared/stepHandler.ts'

/**
 * Logs in with the pending value, compares a clone with its user if the value is for the clone, and runs the test query. Or it
 * rehearses that with the current value.
 */
export const handler = stepHandler(
  'testSecret',
  pipelines,
  acceptRehearsal(parseRotationEvent),
  (pipeline, { rehearses, rotation }) => (rehearses ? rehearseTest : testSecret)(pipeline, rotation),
)
