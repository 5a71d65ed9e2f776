import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { say } from '../../local/say.ts'
import { type Package, packFunctions } from '../rotation/start.ts'
import { measureCold } from './cold/measure.ts'
import { coldHeading, coldReport } from './cold/report.ts'
import { type Compared, compare, type Sides } from './compare.ts'
import type { Conditions } from './conditions.ts'
import { faultsHeading } from './faults/faults.ts'
import { playParts } from './faults/play.ts'
import { makeOfficialPython, type Python } from './host.ts'
import { countsHeading, countsReport, timesHeading, timesReport } from './report.ts'
import { withScene } from './scene.ts'
import { withPart } from './sections.ts'
import { engineNames, howToGet, introduced, isRecorded, NoSource, openSource } from './source.ts'
import { type Starts, timeStarts } from './start.ts'

const parts = ['counts', 'times', 'cold', 'faults', 'compat'] as const
type Part = (typeof parts)[number]

/** Pairs of rotations that are counted, and that are timed. */
const [COUNTED, TIMED] = [3, 20]

const usage = `Usage: npm run official -- --official PATH [${parts.join(' ')}] [--times] [--record]`

type Asked = { path: string; wanted: Part[]; keepTimes: boolean; keepStates: boolean }

/** What was asked for. Undefined, and said why, if it cannot be done. */
function asked(): Asked | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        official: { type: 'string' },
        times: { type: 'boolean', default: false },
        record: { type: 'boolean', default: false },
      },
    })
    const wanted = parts.filter(part => !positionals.length || positionals.includes(part))
    const isKnown = positionals.every(word => (parts as readonly string[]).includes(word))
    if (isKnown && values.official)
      return { path: values.official, wanted, keepTimes: values.times, keepStates: values.record }
    console.error(isKnown ? howToGet : usage)
  } catch {
    console.error(usage)
  }
}

async function prepared(): Promise<Python> {
  say("Making a Python with what AWS's functions import, if it is not there yet ...")
  const python = await makeOfficialPython()
  if (!python.postgres)
    say('PostgreSQL is left out: PyGreSQL is built with pg_config and gcc (on Debian, libpq-dev and gcc).')
  return python
}

/** Both sides on each database. */
async function measured(sides: Sides, isTimed: boolean): Promise<{ all: Compared[]; starts: Starts[] }> {
  const all: Compared[] = []
  const starts: Starts[] = []
  for (const engine of engineNames.filter(engine => engine !== 'postgres' || sides.python.postgres))
    await withScene(engine, sides.python, async scene => {
      for (const strategy of ['single', 'alternating'] as const) {
        say(`${scene.name}, ${strategy}: ${isTimed ? TIMED : COUNTED} pairs of rotations ...`)
        all.push(...(await compare(scene, strategy, sides, isTimed ? TIMED : COUNTED)))
      }
      if (!isTimed) return
      say(`${scene.name}: ${TIMED} pairs of starts ...`)
      starts.push(await timeStarts(scene, sides, TIMED))
    })
  return { all, starts }
}

/** What the parts of each report begin with. */
const headings = {
  'RESULTS.md': [countsHeading, faultsHeading],
  'TIMES.md': [timesHeading, coldHeading],
}

/** Shows a part of a report, and keeps it if `keep`; the other parts stay as they were. */
async function tell(name: keyof typeof headings, part: string, keep: boolean): Promise<void> {
  say(`\n${part}`)
  const file = join(import.meta.dirname, name)
  const before = await readFile(file, 'utf8').catch(() => '')
  if (keep) await writeFile(file, withPart(before, part, headings[name]))
  say(`bench/official/${name} ${keep ? 'is written' : 'stays as it is'}.`)
}

/** Calls back with the conditions since now. */
function sinceNow(): () => Conditions {
  const load = () => loadavg()[0] ?? Number.NaN
  const before = load()
  return () => {
    const git = ['rev-parse', '--short', 'HEAD']
    const commit = execFileSync('git', git, { cwd: import.meta.dirname })
      .toString()
      .trim()
    return { load: [before, load()], date: new Date().toISOString().slice(0, 10), commit }
  }
}

/** The parts that compare both sides: counts, times and cold. */
async function runCompared(sides: Sides, { wanted, keepTimes }: Asked, isWhole: boolean): Promise<void> {
  const { packages } = sides
  if (wanted.includes('counts') || wanted.includes('times')) {
    const conditions = sinceNow()
    const { all, starts } = await measured(sides, wanted.includes('times'))
    if (wanted.includes('counts')) await tell('RESULTS.md', countsReport(all), isWhole)
    const times = () => timesReport({ all, starts, packages, conditions: conditions() })
    if (wanted.includes('times')) await tell('TIMES.md', times(), isWhole && keepTimes)
  }
  if (!wanted.includes('cold')) return
  const conditions = sinceNow()
  const cold = await measureCold(sides, { pairs: TIMED, rotations: TIMED })
  const report = coldReport({ ...cold, packages, conditions: conditions() })
  await tell('TIMES.md', report, isWhole && keepTimes)
}

async function packed(folder: string): Promise<Package[]> {
  say("Packing Keyturn's functions ...")
  return await packFunctions(folder)
}

async function run(asked: Asked): Promise<void> {
  const { path, wanted, keepStates } = asked
  const source = await openSource(path)
  say(introduced(source))
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-official-'))
  try {
    const python = await prepared()
    const isWhole = isRecorded(source) && python.postgres
    if (['counts', 'times', 'cold'].some(part => wanted.includes(part as Part)))
      await runCompared({ source, python, packages: await packed(folder) }, asked, isWhole)
    if (!wanted.includes('faults') && !wanted.includes('compat')) return
    const { section, compatible } = await playParts(source, python, wanted, keepStates && isWhole)
    if (section) await tell('RESULTS.md', section, isWhole)
    if (!compatible) process.exitCode = 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const request = asked()
if (!request) process.exitCode = 2
else
  await run(request).catch(error => {
    if (!(error instanceof NoSource)) throw error
    console.error(error.message)
    process.exitCode = 2
  })
