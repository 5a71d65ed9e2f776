import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { say } from '../../local/say.ts'
import { type Package, packFunctions } from '../rotation/start.ts'
import { type Bare, bareHeading, bareReport, compareBare } from './bare/bare.ts'
import { measureCold } from './cold/measure.ts'
import { coldHeading, coldReport } from './cold/report.ts'
import { type Compared, compare, type Sides } from './compare.ts'
import type { Conditions } from './conditions.ts'
import { faultsHeading } from './faults/faults.ts'
import { playParts } from './faults/play.ts'
import { makeOfficialPython, type Python } from './host.ts'
import { type Logged, logsHeading, logsReport, readLogs } from './logs.ts'
import { countsHeading, countsReport, timesHeading, timesReport } from './report.ts'
import { type Scene, withScene } from './scene.ts'
import { withPart } from './sections.ts'
import { type Called, callBoth } from './service.ts'
import { calledCounts, calledHeading, calledTimes } from './serviceReport.ts'
import { engineNames, howToGet, introduced, isRecorded, NoSource, openSource } from './source.ts'
import { type Starts, timeStarts } from './start.ts'

const parts = ['counts', 'times', 'cold', 'faults', 'compat', 'logs', 'bare'] as const
type Part = (typeof parts)[number]

/** Pairs of rotations that are counted, and that are timed. */
const [COUNTED, TIMED] = [3, 20]
/** Rotations whose logs are read. */
const LOGGED = 5
const strategies = ['single', 'alternating'] as const

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

/** Calls back with each database, one after the other. */
async function onEach(python: Python, use: (scene: Scene) => Promise<void>): Promise<void> {
  for (const engine of engineNames.filter(engine => engine !== 'postgres' || python.postgres))
    await withScene(engine, python, use)
}

type Measured = { all: Compared[]; called: Called[]; starts: Starts[] }

/** Both sides on each database. */
async function measured(sides: Sides, isTimed: boolean): Promise<Measured> {
  const measured: Measured = { all: [], called: [], starts: [] }
  const pairs = isTimed ? TIMED : COUNTED
  await onEach(sides.python, async scene => {
    for (const strategy of strategies) {
      say(`${scene.name}, ${strategy}: ${pairs} pairs of rotations ...`)
      measured.all.push(...(await compare(scene, strategy, sides, pairs)))
      say(`${scene.name}, ${strategy}: ${pairs} pairs of rotations, called as Secrets Manager calls ...`)
      measured.called.push(await callBoth(scene, strategy, sides, pairs))
    }
    if (!isTimed) return
    say(`${scene.name}: ${TIMED} pairs of starts ...`)
    measured.starts.push(await timeStarts(scene, sides, TIMED))
  })
  return measured
}

/** What each database logs of both sides. */
async function logged(sides: Sides): Promise<Logged[]> {
  const all: Logged[] = []
  await onEach(sides.python, async scene => {
    for (const strategy of strategies) {
      say(
        `${scene.name}, ${strategy}: ${LOGGED} rotations of each side, and what the server logs of them ...`,
      )
      all.push(...(await readLogs(scene, strategy, sides, LOGGED)))
    }
  })
  return all
}

/** Keyturn beside a loop of the same calls, on each database. */
async function bare({ python, packages }: Sides): Promise<Bare[]> {
  const all: Bare[] = []
  await onEach(python, async scene => {
    say(`${scene.name}: ${TIMED} pairs of rotations by Keyturn and by a loop of the same calls ...`)
    all.push(await compareBare(scene, packages, TIMED))
  })
  return all
}

/** What the parts of each report begin with. */
const headings = {
  'RESULTS.md': [countsHeading, calledHeading, logsHeading, faultsHeading],
  'TIMES.md': [timesHeading, calledHeading, coldHeading, bareHeading],
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

const compared = ['counts', 'times', 'cold', 'logs', 'bare'] as const satisfies Part[]

/** The parts that compare both sides. */
async function runCompared(sides: Sides, { wanted, keepTimes }: Asked, isWhole: boolean): Promise<void> {
  const { packages } = sides
  if (wanted.includes('counts') || wanted.includes('times')) {
    const since = sinceNow()
    const { all, called, starts } = await measured(sides, wanted.includes('times'))
    const conditions = since()
    if (wanted.includes('counts'))
      for (const part of [countsReport(all), calledCounts(called)]) await tell('RESULTS.md', part, isWhole)
    if (wanted.includes('times'))
      for (const part of [
        timesReport({ all, starts, packages, conditions }),
        calledTimes(called, conditions),
      ])
        await tell('TIMES.md', part, isWhole && keepTimes)
  }
  if (wanted.includes('cold')) {
    const since = sinceNow()
    const cold = await measureCold(sides, { pairs: TIMED, rotations: TIMED })
    await tell('TIMES.md', coldReport({ ...cold, packages, conditions: since() }), isWhole && keepTimes)
  }
  if (wanted.includes('logs')) await tell('RESULTS.md', logsReport(await logged(sides)), isWhole)
  if (!wanted.includes('bare')) return
  const since = sinceNow()
  await tell('TIMES.md', bareReport(await bare(sides), since()), isWhole && keepTimes)
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
    if (compared.some(part => wanted.includes(part)))
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
