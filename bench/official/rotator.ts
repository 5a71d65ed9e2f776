import type { ProcessCost } from './child.ts'
import type { Seen } from './scene.ts'

/** What some steps of a rotation did, all together. */
export type MeasuredWork = Seen & ProcessCost

/** One rotation, by whichever side. */
export type Rotation = {
  work: MeasuredWork
  /** What came after the grace time, where something does. */
  retirement?: MeasuredWork
  /** The step that failed, and with what. No step comes after it. */
  failure?: { step: string; name: string; code: string | number | null; quotes: boolean }
}

/** A side of the comparison, ready to rotate: warm after its first rotation. */
export interface Rotator extends AsyncDisposable {
  title: string
  /** Rotates a secret that `Scene.enrol` made. */
  rotate(secret: string): Promise<Rotation>
}

/** All the works as one; its memory is the most that any had. */
export function sumWork(works: MeasuredWork[]): MeasuredWork {
  const sum = (of: (work: MeasuredWork) => number) => works.reduce((all, work) => all + of(work), 0)
  return {
    calls: works.flatMap(({ calls }) => calls),
    accepted: sum(({ accepted }) => accepted),
    refused: sum(({ refused }) => refused),
    wall: sum(({ wall }) => wall),
    cpu: sum(({ cpu }) => cpu),
    memory: Math.max(...works.map(({ memory }) => memory)),
  }
}
