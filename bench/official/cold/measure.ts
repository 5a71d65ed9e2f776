import { say } from '../../../local/say.ts'
import type { ComparisonInputs } from '../compare.ts'
import { withScene } from '../scene.ts'
import { ENGINE_NAMES } from '../source.ts'
import { type FailureCounts, hasSpareProcessors, measureFailures } from './failures.ts'
import { measureOutages, type Outages } from './outages.ts'
import { watchPasswordChanges } from './passwordChanges.ts'
import { type Zip, zipFunctions } from './zip.ts'

/** Queries a second of an application. The faster rate is measured only if it leaves enough of the processors for rotations. */
const [QUERIES_PER_SECOND, FAST_QUERIES_PER_SECOND] = [50, 200]

/**
 * Measures both sides on each database, in processes that have rotated before (warm) and in new ones (cold).
 * @param options how many pairs of rotations have their outage measured, and during how many rotations an application queries
 * @returns `tooFast` has the databases and rates that were not measured
 */
export async function measureCold(
  inputs: ComparisonInputs,
  { pairs, rotations }: { pairs: number; rotations: number },
): Promise<{ outages: Outages[]; failures: FailureCounts[]; tooFast: string[]; zips: Zip[] }> {
  const outages: Outages[] = []
  const failures: FailureCounts[] = []
  const tooFast: string[] = []
  for (const engine of ENGINE_NAMES.filter(
    engine => engine !== 'postgres' || inputs.python.hasPostgresDriver,
  ))
    await withScene(engine, inputs.python, async scene => {
      const readChangeTime = await watchPasswordChanges(scene.server)
      say(`${scene.name}: ${pairs} pairs of rotations in warm functions, and in cold ones ...`)
      outages.push(await measureOutages(scene, inputs, readChangeTime, pairs))
      const canBeFast = await hasSpareProcessors(scene, FAST_QUERIES_PER_SECOND)
      if (!canBeFast) tooFast.push(`${scene.name} at ${FAST_QUERIES_PER_SECOND} a second`)
      for (const rate of canBeFast ? [QUERIES_PER_SECOND, FAST_QUERIES_PER_SECOND] : [QUERIES_PER_SECOND])
        for (const isCold of [false, true]) {
          const kind = isCold ? 'cold' : 'warm'
          say(`${scene.name}: ${rate} queries a second in ${rotations} ${kind} rotations of each side ...`)
          failures.push(await measureFailures(scene, inputs, { rate, isCold, rotations }))
        }
    })
  return { outages, failures, tooFast, zips: await zipFunctions(inputs) }
}
