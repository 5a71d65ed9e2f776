import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bench, checks, type Measured, scenarios } from './counts.ts'
import { report } from './report.ts'
import {
  driverChecks,
  packageCheck,
  packFunctions,
  startCheck,
  timeDrivers,
  timeNode,
  timeStarts,
} from './start.ts'

/** How often everything that takes time is measured. */
const TIMES = 10

/** Every scenario, in turns. @throws if one does not count the same each time */
async function rotations(): Promise<Measured[][]> {
  await using bench = await Bench.start()
  const all: Measured[][] = scenarios.map(() => [])
  // The first round only loads what is loaded when it is used.
  for (let round = 0; round <= TIMES; round++)
    for (const [i, scenario] of scenarios.entries()) {
      const measured = await bench.rotate(scenario)
      if (round > 0) all[i]?.push(measured)
    }
  // What a rehearsal does at once comes in any order.
  const counts = ({ rotation, retirement, transitions }: Measured) =>
    JSON.stringify([{ ...rotation, calls: rotation.calls.toSorted() }, retirement, transitions])
  for (const [i, runs] of all.entries())
    if (new Set(runs.map(counts)).size > 1)
      throw new Error(`${scenarios[i]?.title}: its counts are not the same each time`)
  return all
}

async function functions() {
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-bench-'))
  try {
    const packages = await packFunctions(folder)
    const setSecret = packages.find(({ name }) => name === 'setSecret')
    if (!setSecret) throw new Error('setSecret was not packed')
    return {
      packages,
      starts: await timeStarts(packages, TIMES),
      drivers: await timeDrivers(setSecret, TIMES),
      node: await timeNode(TIMES),
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const { packages, starts, drivers, node } = await functions()
const measured = await rotations()
const limits = [
  ...measured.flatMap(([first]) => (first ? checks(first) : [])),
  ...packages.map(packageCheck),
  ...starts.map(start => startCheck(start)),
  ...driverChecks(drivers),
]
await writeFile(
  join(import.meta.dirname, 'RESULTS.md'),
  report({ times: TIMES, measured, packages, starts, drivers, node, limits }),
)
const broken = limits.filter(({ found, limit }) => !(found <= limit))
for (const { what, found, limit, unit = '' } of broken)
  console.error(`Limit broken: ${what}: ${found.toFixed(1)} ${unit}, at most ${limit}`)
console.log(
  `bench/rotation/RESULTS.md is written; ${limits.length - broken.length} of ${limits.length} limits hold.`,
)
process.exitCode = broken.length ? 1 : 0
