import type { ProcessCost } from './child.ts'
import type { Seen } from './scene.ts'

/** What some steps of a rotation did together, and what that cost. */
export type MeasuredWork = Seen & ProcessCost

/** One rotation, by either side. */
export type Rotation = {
  work: MeasuredWork
  /** What was done after the grace time, if anything was. */
  retirement?: MeasuredWork
  /** The last step, if it failed, and its error. `quotes`: the error's text contains the pending password. */
  failure?: { step: string; name: string; code: string | number | null; quotes: boolean }
}

/** A side of the comparison. Its processes run, and are warm after the first rotation. */
export interface Rotator extends AsyncDisposable {
  /** The side's name in the reports. */
  title: string
  /** Rotates a secret that `Scene.enrol` made. */
  rotate(secret: string): Promise<Rotation>
}

/** The sum of all. Its memory is the maximum of any. */
export function sumWork(works: MeasuredWork[]): MeasuredWork {
  const sum = (of: (work: MeasuredWork) => number) => works.reduce((total, work) => total + of(work), 0)
  return {
    calls: works.flatMap(({ calls }) => calls),
    accepted: sum(({ accepted }) => accepted),
    refused: sum(({ refused }) => refused),
    wall: sum(({ wall }) => wall),
    cpu: sum(({ cpu }) => cpu),
    memory: Math.max(...works.map(({ memory }) => memory)),
  }
}
