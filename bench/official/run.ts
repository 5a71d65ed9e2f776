import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { say } from '../../local/say.ts'
import { type Package, packFunctions } from '../rotation/start.ts'
import { compareWithLoop, LOOP_HEADING, type LoopComparison, loopReport } from './bare/compareWithLoop.ts'
import { measureCold } from './cold/measure.ts'
import { COLD_HEADING, coldReport } from './cold/report.ts'
import { type ComparedSide, type ComparisonInputs, compare } from './compare.ts'
import type { Conditions } from './conditions.ts'
import { FAULTS_HEADING } from './faults/faults.ts'
import { playFaultParts } from './faults/play.ts'
import { makeOfficialPython, type OfficialPython } from './host.ts'
import { LOGS_HEADING, type LoggedPasswords, logsReport, readLogs } from './passwordsInLogs.ts'
import { COUNTS_HEADING, countsReport, TIMES_HEADING, timesReport } from './report.ts'
import { type Scene, withScene } from './scene.ts'
import { replacePart } from './sections.ts'
import { compareAsService, type ServiceComparison } from './service.ts'
import { SERVICE_HEADING, serviceCountsSection, serviceTimesSection } from './serviceReport.ts'
import {
  ENGINE_NAMES,
  HOW_TO_GET_SOURCE,
  introduceSource,
  isRecordedCommit,
  openSource,
  SourceMissing,
} from './source.ts'
import { type Starts, timeStarts } from './start.ts'

/** What can be measured. */
const PARTS = ['counts', 'times', 'cold', 'faults', 'compat', 'logs', 'bare'] as const
type Part = (typeof PARTS)[number]

/** How many pairs of rotations are counted, and how many are timed. */
const [COUNTED_PAIR_COUNT, TIMED_PAIR_COUNT] = [3, 20]

/** How many rotations of each side have their logs read. */
const LOGGED_ROTATION_COUNT = 5
const STRATEGIES = ['single', 'alternating'] as const

const USAGE = `Usage: npm run official -- --official PATH [${PARTS.join(' ')}] [--times] [--record]`

/** The arguments of the command: AWS's repository, the parts, and whether TIMES.md and the recorded states are written. */
type Arguments = { path: string; wanted: Part[]; keepTimes: boolean; keepStates: boolean }

/** Parses the command's arguments. @returns undefined, after an error message, if they are wrong */
function parseArguments(): Arguments | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        official: { type: 'string' },
        times: { type: 'boolean', default: false },
        record: { type: 'boolean', default: false },
      },
    })
    const wanted = PARTS.filter(part => !positionals.length || positionals.includes(part))
    const isKnown = positionals.every(word => (PARTS as readonly string[]).includes(word))
    if (isKnown && values.official)
      return { path: values.official, wanted, keepTimes: values.times, keepStates: values.record }
    console.error(isKnown ? HOW_TO_GET_SOURCE : USAGE)
  } catch {
    console.error(USAGE)
  }
}

/** Makes the Python environment for AWS's functions. */
async function preparePython(): Promise<OfficialPython> {
  say("Making a Python with what AWS's functions import, if it is not there yet ...")
  const python = await makeOfficialPython()
  if (!python.hasPostgresDriver)
    say('PostgreSQL is left out: PyGreSQL is built with pg_config and gcc (on Debian, libpq-dev and gcc).')
  return python
}

/** Starts one database after the other, and calls `use` with each. */
async function forEachDatabase(python: OfficialPython, use: (scene: Scene) => Promise<void>): Promise<void> {
  for (const engine of ENGINE_NAMES.filter(engine => engine !== 'postgres' || python.hasPostgresDriver))
    await withScene(engine, python, use)
}

type Measured = { all: ComparedSide[]; called: ServiceComparison[]; starts: Starts[] }

/** Compares both sides on each database. @param isTimed with it there are more pairs, and starts are timed */
async function measureSides(inputs: ComparisonInputs, isTimed: boolean): Promise<Measured> {
  const measured: Measured = { all: [], called: [], starts: [] }
  const pairs = isTimed ? TIMED_PAIR_COUNT : COUNTED_PAIR_COUNT
  await forEachDatabase(inputs.python, async scene => {
    for (const strategy of STRATEGIES) {
      say(`${scene.name}, ${strategy}: ${pairs} pairs of rotations ...`)
      measured.all.push(...(await compare(scene, strategy, inputs, pairs)))
      say(`${scene.name}, ${strategy}: ${pairs} pairs of rotations, called as Secrets Manager calls ...`)
      measured.called.push(await compareAsService(scene, strategy, inputs, pairs))
    }
    if (!isTimed) return
    say(`${scene.name}: ${TIMED_PAIR_COUNT} pairs of starts ...`)
    measured.starts.push(await timeStarts(scene, inputs, TIMED_PAIR_COUNT))
  })
  return measured
}

/** Counts the rotations of both sides whose passwords each database logs. */
async function readAllLogs(inputs: ComparisonInputs): Promise<LoggedPasswords[]> {
  const all: LoggedPasswords[] = []
  await forEachDatabase(inputs.python, async scene => {
    for (const strategy of STRATEGIES) {
      say(
        `${scene.name}, ${strategy}: ${LOGGED_ROTATION_COUNT} rotations of each side, and what the server logs of them ...`,
      )
      all.push(...(await readLogs(scene, strategy, inputs, LOGGED_ROTATION_COUNT)))
    }
  })
  return all
}

/** Compares Keyturn with a loop of the same calls, on each database. */
async function compareWithLoops({ python, packages }: ComparisonInputs): Promise<LoopComparison[]> {
  const all: LoopComparison[] = []
  await forEachDatabase(python, async scene => {
    say(
      `${scene.name}: ${TIMED_PAIR_COUNT} pairs of rotations by Keyturn and by a loop of the same calls ...`,
    )
    all.push(await compareWithLoop(scene, packages, TIMED_PAIR_COUNT))
  })
  return all
}

/** The headings with which the parts of each report begin, in order. */
const REPORT_HEADINGS = {
  'RESULTS.md': [COUNTS_HEADING, SERVICE_HEADING, LOGS_HEADING, FAULTS_HEADING],
  'TIMES.md': [TIMES_HEADING, SERVICE_HEADING, COLD_HEADING, LOOP_HEADING],
}

/** Prints a part of a report, and with `keep` writes it into the report, whose other parts stay as they were. */
async function writePart(name: keyof typeof REPORT_HEADINGS, part: string, keep: boolean): Promise<void> {
  say(`\n${part}`)
  const file = join(import.meta.dirname, name)
  const before = await readFile(file, 'utf8').catch(() => '')
  if (keep) await writeFile(file, replacePart(before, part, REPORT_HEADINGS[name]))
  say(`bench/official/${name} ${keep ? 'is written' : 'stays as it is'}.`)
}

/** Notes the conditions now. @returns a function that returns the conditions at the end */
function startConditions(): () => Conditions {
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

/** The parts for which Keyturn's functions are packed. */
const PACKED_PARTS = ['counts', 'times', 'cold', 'logs', 'bare'] as const satisfies Part[]

/** Runs those of the wanted parts for which Keyturn's functions are packed. @param isWhole whether the reports may be written */
async function runPackedParts(
  inputs: ComparisonInputs,
  { wanted, keepTimes }: Arguments,
  isWhole: boolean,
): Promise<void> {
  const { packages } = inputs
  if (wanted.includes('counts') || wanted.includes('times')) {
    const endConditions = startConditions()
    const { all, called, starts } = await measureSides(inputs, wanted.includes('times'))
    const conditions = endConditions()
    if (wanted.includes('counts'))
      for (const part of [countsReport(all), serviceCountsSection(called)])
        await writePart('RESULTS.md', part, isWhole)
    if (wanted.includes('times'))
      for (const part of [
        timesReport({ all, starts, packages, conditions }),
        serviceTimesSection(called, conditions),
      ])
        await writePart('TIMES.md', part, isWhole && keepTimes)
  }
  if (wanted.includes('cold')) {
    const endConditions = startConditions()
    const cold = await measureCold(inputs, { pairs: TIMED_PAIR_COUNT, rotations: TIMED_PAIR_COUNT })
    await writePart(
      'TIMES.md',
      coldReport({ ...cold, packages, conditions: endConditions() }),
      isWhole && keepTimes,
    )
  }
  if (wanted.includes('logs')) await writePart('RESULTS.md', logsReport(await readAllLogs(inputs)), isWhole)
  if (!wanted.includes('bare')) return
  const endConditions = startConditions()
  await writePart(
    'TIMES.md',
    loopReport(await compareWithLoops(inputs), endConditions()),
    isWhole && keepTimes,
  )
}

async function packInto(folder: string): Promise<Package[]> {
  say("Packing Keyturn's functions ...")
  return await packFunctions(folder)
}

/** Measures the wanted parts. */
async function run(args: Arguments): Promise<void> {
  const { path, wanted, keepStates } = args
  const source = await openSource(path)
  say(introduceSource(source))
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-official-'))
  try {
    const python = await preparePython()
    const isWhole = isRecordedCommit(source) && python.hasPostgresDriver
    if (PACKED_PARTS.some(part => wanted.includes(part)))
      await runPackedParts({ source, python, packages: await packInto(folder) }, args, isWhole)
    if (!wanted.includes('faults') && !wanted.includes('compat')) return
    const { section, compatible } = await playFaultParts(source, python, wanted, keepStates && isWhole)
    if (section) await writePart('RESULTS.md', section, isWhole)
    if (!compatible) process.exitCode = 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const args = parseArguments()
if (!args) process.exitCode = 2
else
  await run(args).catch(error => {
    if (!(error instanceof SourceMissing)) throw error
    console.error(error.message)
    process.exitCode = 2
  })
