import type { Package } from '../rotation/start.ts'
import type { OfficialPython } from './host.ts'
import { KeyturnRotator } from './keyturnRotator.ts'
import { OfficialRotator } from './officialRotator.ts'
import type { Rotation, Rotator } from './rotator.ts'
import type { Scene } from './scene.ts'
import type { OfficialSource, Strategy } from './source.ts'

/** What the comparison needs besides a scene: AWS's functions and a Python for them, and the packages of Keyturn's functions. */
export type ComparisonInputs = { python: OfficialPython; source: OfficialSource; packages: Package[] }

/** All rotations of one secret by one side, in order. If one failed, it is the last. */
export type ComparedSide = { database: string; strategy: Strategy; side: string; rotations: Rotation[] }

/**
 * Rotates a secret of each side, in turns: once, and then `pairs` times more. Every second round is in the opposite order.
 * @returns AWS's sides, and Keyturn last
 * @throws Error if the counts of a side are not the same each time
 */
export async function compare(
  scene: Scene,
  strategy: Strategy,
  inputs: ComparisonInputs,
  pairs: number,
): Promise<ComparedSide[]> {
  await using stack = new AsyncDisposableStack()
  const runs: (SideRun & { rotations: Rotation[] })[] = []
  for (const run of await startSides(stack, scene, strategy, inputs)) runs.push({ ...run, rotations: [] })
  for (let pair = 0; pair <= pairs; pair++)
    for (const { rotator, secret, rotations } of pair % 2 ? runs.toReversed() : runs)
      if (!rotations.at(-1)?.failure) rotations.push(await rotator.rotate(secret))
  return runs.map(({ rotator: { title }, rotations }) => {
    const compared = { database: scene.name, strategy, side: title, rotations }
    checkSame(compared)
    return compared
  })
}

/** A side, and the secret that it rotates. */
export type SideRun = { rotator: Rotator; secret: string }

/** Starts AWS's sides, and Keyturn last, each with a secret of its own. `stack` disposes of them. */
export async function startSides(
  stack: AsyncDisposableStack,
  scene: Scene,
  strategy: Strategy,
  { python, source, packages }: ComparisonInputs,
): Promise<SideRun[]> {
  const variants = scene.engine === 'mysql' ? [false, true] : [false]
  const runs: SideRun[] = []
  const add = async (rotator: Rotator) =>
    runs.push({ rotator: stack.use(rotator), secret: await scene.enrol(strategy === 'alternating') })
  for (const knowsMysql9 of variants)
    await add(await OfficialRotator.start(scene, python, source, { strategy, knowsMysql9 }))
  await add(await KeyturnRotator.start(scene, packages))
  return runs
}

/** The counts of a rotation as a text, by which rotations are compared. */
export const countsOf = ({ work, retirement }: Rotation) =>
  JSON.stringify([work, retirement].map(part => part && [part.calls, part.accepted, part.refused]))

/**
 * Checks that rotations have equal counts, without the first one. As two users take turns, each rotation is compared with the last
 * but one before it.
 * @throws Error if two differ
 */
function checkSame({ database, strategy, side, rotations }: ComparedSide): void {
  for (const [i, rotation] of rotations.entries()) {
    const before = rotations[i - 2]
    if (i > 2 && before && countsOf(before) !== countsOf(rotation))
      throw new Error(
        `${side} on ${database}, ${strategy}: the counts are not the same each time: ${[before, rotation].map(countsOf)}`,
      )
  }
}
