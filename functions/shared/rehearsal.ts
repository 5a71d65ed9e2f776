import { parseRotationEvent } from './event.ts'

/** What the functions of TestSecret, FinishSecret and RollbackSecret get before SetSecret. */
type Rehearsal = ReturnType<typeof parseRotationEvent> & { rehearses: true }

/**
 * Parses the event of a step, or of its rehearsal. The latter has the state as `rehearsal` and no key `rotation`: so a function
 * that knows of no rehearsals refuses it, instead of doing what the step does.
 */
export const acceptRehearsal =
  <Step>(parse: (event: unknown) => Step) =>
  (event: unknown): (Step & { rehearses?: never }) | Rehearsal => {
    const { rehearsal, ...rest } = (event ?? {}) as { rehearsal?: unknown }
    if (rehearsal === undefined) return parse(event) as Step & { rehearses?: never }
    return { ...parseRotationEvent({ ...rest, rotation: rehearsal }), rehearses: true }
  }
