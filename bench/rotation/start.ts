import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import Bundle from '../../bundle.ts'
import { bundleFunction, filesImportedBy } from '../../bundleFunction.ts'
import { functionsOfRotate } from '../../local/embedded/embedded.ts'
import { ENGINE_NAMES } from '../../rotation/engines/traits.ts'
import { median } from '../median.ts'
import type { LimitCheck } from './counts.ts'

/** Bytes of one function's package. */
export type Package = {
  name: string
  zipped: number
  unpacked: number
  /** What is loaded when the function starts, and what only when it is used: no drivers where no database is asked. */
  atStart: number
  drivers: Driver[]
  stepFunctions: number
  other: number
  /** The file to import, as a URL. */
  entry: string
}

/** What one engine adds; some of it another engine may share. */
export type Driver = { engine: string; bytes: number; entry: string }

/** Milliseconds to load a function, one of each try. */
export type Start = { name: string; loadMs: number[] }
/** The same for setSecret and then an engine, which comes with the first login. */
export type DriverStart = Driver & Start & { driverMs: number[] }

/** What every rotation runs, and what Secrets Manager calls. */
const measuredFunctions = [...new Set(functionsOfRotate.values()), 'rotateSecret']

/** Bytes without and with drivers, milliseconds likewise. */
const START_LIMITS = { zipped: [120_000, 850_000], load: [45, 60] } as const

export function checkPackage({ name, zipped, drivers }: Package): LimitCheck {
  const [without, withDrivers] = START_LIMITS.zipped
  const limit = drivers.length ? withDrivers : without
  return { what: `${name}: package`, found: zipped, limit, unit: 'bytes' }
}

export function checkStart({ name, loadMs }: Start, limit: number = START_LIMITS.load[0]): LimitCheck {
  return { what: `${name}: start`, found: median(loadMs), limit, unit: 'ms' }
}

/** Of PostgreSQL, so that the driver is among what has its limit; the other engines' are in the report alone. */
export function checkDriverStarts(drivers: DriverStart[]): LimitCheck[] {
  return drivers
    .filter(({ engine }) => engine === 'postgres')
    .map(start =>
      checkStart({ name: 'setSecret with postgres', loadMs: loadMsWithDriver(start) }, START_LIMITS.load[1]),
    )
}

/** Milliseconds of each try until the function and the engine are loaded. */
export function loadMsWithDriver({ loadMs, driverMs }: DriverStart): number[] {
  return loadMs.map((value, i) => value + (driverMs[i] ?? Number.NaN))
}

/** Packs every function into `folder` as `serverless package` does, with no CA file of its own. */
export async function packFunctions(folder: string): Promise<Package[]> {
  const functions = Object.fromEntries(measuredFunctions.map(name => [name, {}]))
  await new Bundle({ serviceDir: folder, service: { functions } }).hooks[
    'before:package:createDeploymentArtifacts'
  ]()
  return Promise.all(measuredFunctions.map(name => measurePackage(name, folder)))
}

async function measurePackage(name: string, folder: string): Promise<Package> {
  const bundle = join(folder, '.build', name)
  // The same once more, to be told what went into which file.
  const { outputs } = await bundleFunction(name, bundle)
  const files = Object.entries(outputs)
  const loading = (source: string) => files.find(([, { entryPoint }]) => entryPoint?.endsWith(source))?.[0]
  const bytes = (files: Iterable<string>) =>
    [...files].reduce((sum, file) => sum + (outputs[file]?.bytes ?? 0), 0)
  const atStart = new Set(files.flatMap(([file]) => (basename(file) === 'index.mjs' ? file : [])))
  const later = (file: string) => filesImportedBy(file, outputs).difference(atStart)
  const driverFiles = ENGINE_NAMES.flatMap(engine => {
    const file = loading(`/${engine === 'mongo' ? 'mongodb' : engine}.ts`)
    return file ? [{ engine, file, all: later(file) }] : []
  })
  const client = loading('/stepFunctions.ts')
  if (!client) throw new Error(`${name}: no file of the bundle loads the client of Step Functions`)
  const stepFunctions = later(client)
  const named = driverFiles.reduce((sum, { all }) => sum.union(all), atStart.union(stepFunctions))
  return {
    name,
    zipped: (await readFile(join(folder, '.serverless', `${name}.zip`))).length,
    unpacked: bytes(Object.keys(outputs)),
    atStart: bytes(atStart),
    drivers: driverFiles.map(({ engine, file, all }) => ({
      engine,
      bytes: bytes(all),
      entry: pathToFileURL(join(bundle, basename(file))).href,
    })),
    stepFunctions: bytes(stepFunctions),
    other: bytes(new Set(Object.keys(outputs)).difference(named)),
    entry: pathToFileURL(join(bundle, 'index.mjs')).href,
  }
}

/** Runs in the process that is measured: imports one file after the other, and prints how long each took. */
const IMPORT_SCRIPT = `
  const times = []
  for (const file of process.argv.slice(1)) {
    const began = performance.now()
    await import(file)
    times.push(performance.now() - began)
  }
  console.log(JSON.stringify(times))`

/** Starts each function `times` times in a process of its own; in turns, so that all suffer the same noise. */
export async function timeStarts(packages: Package[], times: number): Promise<Start[]> {
  const starts = packages.map(({ name }): Start => ({ name, loadMs: [] }))
  // The first round only brings the files into memory.
  for (let round = 0; round <= times; round++)
    for (const [i, { entry }] of packages.entries()) {
      const [load = Number.NaN] = await run([entry])
      if (round > 0) starts[i]?.loadMs.push(load)
    }
  return starts
}

/** The same for one function and each of its engines. */
export async function timeDrivers({ entry, drivers }: Package, times: number): Promise<DriverStart[]> {
  const starts = drivers.map(
    (driver): DriverStart => ({ ...driver, name: driver.engine, loadMs: [], driverMs: [] }),
  )
  for (let round = 0; round <= times; round++)
    for (const start of starts) {
      const [load = Number.NaN, driver = Number.NaN] = await run([entry, start.entry])
      if (round === 0) continue
      start.loadMs.push(load)
      start.driverMs.push(driver)
    }
  return starts
}

/** Milliseconds that `node -e 0` takes, from outside: for comparison. */
export async function timeNode(times: number): Promise<number[]> {
  const took: number[] = []
  for (let round = 0; round <= times; round++) {
    const began = performance.now()
    await promisify(execFile)(process.execPath, ['-e', '0'])
    if (round > 0) took.push(performance.now() - began)
  }
  return took
}

/** Imports files in a new process. */
async function run(files: string[]): Promise<number[]> {
  const options = ['--input-type=module', '--eval', IMPORT_SCRIPT, ...files]
  const env = { AWS_REGION: 'eu-west-1', POWERTOOLS_SERVICE_NAME: 'keyturn' }
  const { stdout } = await promisify(execFile)(process.execPath, options, { env })
  return JSON.parse(stdout)
}
