import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkLimits, type MeasuredRotation, RotationBench, SCENARIOS } from './counts.ts'
import { report, timesReport } from './report.ts'
import {
  checkDriverStarts,
  checkPackage,
  checkStart,
  packFunctions,
  timeDrivers,
  timeNode,
  timeStarts,
} from './start.ts'

/** How often each time is measured. */
const RUN_COUNT = 10

/** Measures each scenario RUN_COUNT times, in turns. @throws Error if the counts of one differ between its runs */
async function measureRotations(): Promise<MeasuredRotation[][]> {
  await using bench = await RotationBench.start()
  const all: MeasuredRotation[][] = SCENARIOS.map(() => [])
  // The first round is not measured, as it also loads the modules that are imported only when they are needed.
  for (let round = 0; round <= RUN_COUNT; round++)
    for (const [i, scenario] of SCENARIOS.entries()) {
      const measured = await bench.rotate(scenario)
      if (round > 0) all[i]?.push(measured)
    }
  // The calls of a rehearsal are made at once, in any order.
  const comparableCounts = ({ rotation, retirement, transitions }: MeasuredRotation) =>
    JSON.stringify([{ ...rotation, calls: rotation.calls.toSorted() }, retirement, transitions])
  for (const [i, runs] of all.entries())
    if (new Set(runs.map(comparableCounts)).size > 1)
      throw new Error(`${SCENARIOS[i]?.title}: its counts are not the same each time`)
  return all
}

/** Packs the functions, and measures their sizes and how fast they start. */
async function measureFunctions() {
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-bench-'))
  try {
    const packages = await packFunctions(folder)
    const setSecret = packages.find(({ name }) => name === 'setSecret')
    if (!setSecret) throw new Error('setSecret was not packed')
    return {
      packages,
      starts: await timeStarts(packages, RUN_COUNT),
      drivers: await timeDrivers(setSecret, RUN_COUNT),
      node: await timeNode(RUN_COUNT),
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const { packages, starts, drivers, node } = await measureFunctions()
const measured = await measureRotations()
const limits = [
  ...measured.flatMap(([first]) => (first ? checkLimits(first) : [])),
  ...packages.map(checkPackage),
  ...starts.map(start => checkStart(start)),
  ...checkDriverStarts(drivers),
]
const write = (name: string, text: string) => writeFile(join(import.meta.dirname, name), text)
await write('RESULTS.md', report({ measured, packages, limits }))
await write('TIMES.md', timesReport({ times: RUN_COUNT, measured, starts, drivers, node, limits }))
const broken = limits.filter(({ found, limit }) => !(found <= limit))
for (const { what, found, limit, unit = '' } of broken)
  console.error(`Limit broken: ${what}: ${found.toFixed(1)} ${unit}, at most ${limit}`)
console.log(
  `bench/rotation/RESULTS.md and TIMES.md are written; ${limits.length - broken.length} of ${limits.length} limits hold.`,
)
process.exitCode = broken.length ? 1 : 0
