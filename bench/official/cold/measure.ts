import { say } from '../../../local/say.ts'
import type { Sides } from '../compare.ts'
import { withScene } from '../scene.ts'
import { engineNames } from '../source.ts'
import { watchEffects } from './effects.ts'
import { type Failures, leavesRoom, measureFailures } from './failures.ts'
import { measureOutages, type Outages } from './outages.ts'
import { type Zip, zipAll } from './zip.ts'

/** Queries of an application a second: the second only where the application alone leaves processors for it. */
const [RATE, FAST] = [50, 200]

/** Measures both sides, warm and cold, on each database. */
export async function measureCold(
  sides: Sides,
  { pairs, rotations }: { pairs: number; rotations: number },
): Promise<{ outages: Outages[]; failures: Failures[]; tooFast: string[]; zips: Zip[] }> {
  const outages: Outages[] = []
  const failures: Failures[] = []
  const tooFast: string[] = []
  for (const engine of engineNames.filter(engine => engine !== 'postgres' || sides.python.postgres))
    await withScene(engine, sides.python, async scene => {
      const effectOf = await watchEffects(scene.server)
      say(`${scene.name}: ${pairs} pairs of rotations in warm functions, and in cold ones ...`)
      outages.push(await measureOutages(scene, sides, effectOf, pairs))
      const hasRoom = await leavesRoom(scene, FAST)
      if (!hasRoom) tooFast.push(`${scene.name} at ${FAST} a second`)
      for (const rate of hasRoom ? [RATE, FAST] : [RATE])
        for (const isCold of [false, true]) {
          const kind = isCold ? 'cold' : 'warm'
          say(`${scene.name}: ${rate} queries a second in ${rotations} ${kind} rotations of each side ...`)
          failures.push(await measureFailures(scene, sides, { rate, isCold, rotations }))
        }
    })
  return { outages, failures, tooFast, zips: await zipAll(sides) }
}
