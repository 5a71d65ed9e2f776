import { rehearseTest } from '../rotation/rehearse.ts'
import { testSecret } from '../rotation/steps.ts'
import { parseRotationEvent } from './shared/event.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { acceptRehearsal } from './shared/rehearsal.ts'
import { stepHandler } from './shared/stepHandler.ts'

/** Logs in with the pending value and checks that it can do what the current value can. */
export const handler = stepHandler(
  'testSecret',
  pipelines,
  acceptRehearsal(parseRotationEvent),
  (pipeline, { rehearses, rotation }) => (rehearses ? rehearseTest : testSecret)(pipeline, rotation),
)
