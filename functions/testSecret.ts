import { rehearseTest } from '../rotation/rehearse.ts'
import { test } from '../rotation/steps.ts'
import { rotationEvent } from './shared/event.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { orRehearsal } from './shared/rehearsal.ts'
import { stepHandler } from './shared/stepHandler.ts'

/** Logs in with the pending value and proves that it is as good as the current one. */
export const handler = stepHandler(
  'testSecret',
  pipelines,
  orRehearsal(rotationEvent),
  (pipeline, { rehearses, rotation }) => (rehearses ? rehearseTest : test)(pipeline, rotation),
)
