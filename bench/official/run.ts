import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { say } from '../../local/say.ts'
import { packFunctions } from '../rotation/start.ts'
import { type Compared, compare, type Sides } from './compare.ts'
import { makeOfficialPython } from './host.ts'
import { countsReport, timesReport } from './report.ts'
import { withScene } from './scene.ts'
import { engineNames, howToGet, NoSource, openSource, recordedCommit, type Source } from './source.ts'
import { type Starts, timeStarts } from './start.ts'

const parts = ['counts', 'times'] as const
type Part = (typeof parts)[number]

/** Pairs of rotations that are counted, and that are timed. */
const [COUNTED, TIMED] = [3, 20]

const usage = `Usage: npm run official -- --official PATH [${parts.join(' ')}] [--times]`

/** What was asked for. Undefined, and said why, if it cannot be done. */
function asked(): { path: string; wanted: Part[]; keepTimes: boolean } | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { official: { type: 'string' }, times: { type: 'boolean', default: false } },
    })
    const wanted = parts.filter(part => !positionals.length || positionals.includes(part))
    const isKnown = positionals.every(word => (parts as readonly string[]).includes(word))
    if (isKnown && values.official) return { path: values.official, wanted, keepTimes: values.times }
    console.error(isKnown ? howToGet : usage)
  } catch {
    console.error(usage)
  }
}

async function prepared(source: Source, folder: string): Promise<Sides> {
  say(
    "Making a Python with what AWS's functions import, if it is not there yet, and packing Keyturn's functions ...",
  )
  const python = await makeOfficialPython()
  if (!python.postgres)
    say('PostgreSQL is left out: PyGreSQL is built with pg_config and gcc (on Debian, libpq-dev and gcc).')
  return { python, source, packages: await packFunctions(folder) }
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

/** Shows a report, and keeps it if `keep`. */
async function tell(name: string, text: string, keep: boolean): Promise<void> {
  say(`\n${text}`)
  if (keep) await writeFile(join(import.meta.dirname, name), text)
  say(`bench/official/${name} ${keep ? 'is written' : 'stays as it is'}.`)
}

async function run({ path, wanted, keepTimes }: NonNullable<ReturnType<typeof asked>>): Promise<void> {
  const source = await openSource(path)
  const isRecorded = source.commit === recordedCommit
  say(
    `AWS's functions at ${source.commit} of ${source.date}${isRecorded ? '' : `, not the recorded ${recordedCommit}: nothing is written`}.`,
  )
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-official-'))
  try {
    const before = loadavg()[0] ?? Number.NaN
    const sides = await prepared(source, folder)
    const { all, starts } = await measured(sides, wanted.includes('times'))
    const isWhole = isRecorded && sides.python.postgres
    if (wanted.includes('counts')) await tell('RESULTS.md', countsReport(all), isWhole)
    if (!wanted.includes('times')) return
    const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: import.meta.dirname })
      .toString()
      .trim()
    const load: [number, number] = [before, loadavg()[0] ?? Number.NaN]
    const date = new Date().toISOString().slice(0, 10)
    const { packages } = sides
    await tell('TIMES.md', timesReport({ all, starts, packages, load, date, commit }), isWhole && keepTimes)
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
