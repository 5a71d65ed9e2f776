import { parseRotationEvent } from './event.ts'

/** The event by which testSecret, finishSecret and rollbackSecret rehearse their step before SetSecret. */
type Rehearsal = ReturnType<typeof parseRotationEvent> & { rehearses: true }

/**
 * Makes a parser for the event of a step or of its rehearsal. The event of a rehearsal has the state under `rehearsal` and no key
 * `rotation`. A function of a release without rehearsals therefore refuses the event, instead of doing the step itself.
 * @param parse the parser of the step's event
 * @returns a parser whose result has `rehearses: true` for a rehearsal; it throws InvalidInput
 */
export const acceptRehearsal =
  <Step>(parse: (event: unknown) => Step) =>
  (event: unknown): (Step & { rehearses?: never }) | Rehearsal => {
    const { rehearsal, ...rest } = (event ?? {}) as { rehearsal?: unknown }
    if (rehearsal === undefined) return parse(event) as Step & { rehearses?: never }
    return { ...parseRotationEvent({ ...rest, rotation: rehearsal }), rehearses: true }
  }
