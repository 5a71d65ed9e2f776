import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { Metafile } from 'esbuild'
import Bundle, { bundleFunction } from '../../bundle.ts'
import { functionsOfRotate } from '../../local/embedded/embedded.ts'
import { engineNames } from '../../rotation/engines/traits.ts'
import { median } from '../median.ts'
import type { Check } from './counts.ts'

/** Bytes of one function's package. */
export type Package = {
  name: string
  zipped: number
  unpacked: number
  /** What is loaded when the function starts, and what only when it is used. */
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
export type Start = { name: string; load: number[] }
/** The same for setSecret and then an engine, which comes with the first login. */
export type DriverStart = Driver & Start & { driver: number[] }

/** What every rotation runs, and what Secrets Manager calls. */
const names = [...new Set(functionsOfRotate.values()), 'rotateSecret']

const limits = { zipped: 3_000_000, load: 80 }

export function packageCheck({ name, zipped }: Package): Check {
  return { what: `${name}: package`, found: zipped, limit: limits.zipped, unit: 'bytes' }
}

export function startCheck({ name, load }: Start): Check {
  return { what: `${name}: start`, found: median(load), limit: limits.load, unit: 'ms' }
}

/** Of PostgreSQL, so that the driver is among what has its limit; the other engines' are in the report alone. */
export function driverChecks(drivers: DriverStart[]): Check[] {
  return drivers
    .filter(({ engine }) => engine === 'postgres')
    .map(start => startCheck({ name: 'setSecret with postgres', load: withDriver(start) }))
}

/** Milliseconds of each try until the function and the engine are loaded. */
export function withDriver({ load, driver }: DriverStart): number[] {
  return load.map((value, i) => value + (driver[i] ?? Number.NaN))
}

/** Packs every function into `folder` as `serverless package` does, with no CA file of its own. */
export async function packFunctions(folder: string): Promise<Package[]> {
  const functions = Object.fromEntries(names.map(name => [name, {}]))
  await new Bundle({ serviceDir: folder, service: { functions } }).hooks[
    'before:package:createDeploymentArtifacts'
  ]()
  return Promise.all(names.map(name => weigh(name, folder)))
}

async function weigh(name: string, folder: string): Promise<Package> {
  const bundle = join(folder, '.build', name)
  // The same once more, to be told what went into which file.
  const { outputs } = await bundleFunction(name, bundle)
  const files = new Map(Object.entries(outputs).map(([path, output]) => [basename(path), output]))
  const loading = (source: string) => {
    for (const [file, { entryPoint }] of files) if (entryPoint?.includes(source)) return file
    throw new Error(`${name}: no file of the bundle loads ${source}`)
  }
  const bytes = (names: Iterable<string>) =>
    [...names].reduce((sum, file) => sum + (files.get(file)?.bytes ?? 0), 0)
  const atStart = imported('index.mjs', files)
  const driverFiles = engineNames.map(engine => {
    const file = loading(`/${engine === 'mongo' ? 'mongodb' : engine}.ts`)
    return { engine, file, all: imported(file, files).difference(atStart) }
  })
  const stepFunctions = imported(loading('node_modules/@aws-sdk/client-sfn/'), files).difference(atStart)
  const named = driverFiles.reduce((sum, { all }) => sum.union(all), atStart.union(stepFunctions))
  return {
    name,
    zipped: (await readFile(join(folder, '.serverless', `${name}.zip`))).length,
    unpacked: bytes(files.keys()),
    atStart: bytes(atStart),
    drivers: driverFiles.map(({ engine, file, all }) => ({
      engine,
      bytes: bytes(all),
      entry: pathToFileURL(join(bundle, file)).href,
    })),
    stepFunctions: bytes(stepFunctions),
    other: bytes(new Set(files.keys()).difference(named)),
    entry: pathToFileURL(join(bundle, 'index.mjs')).href,
  }
}

/** The file and all that it imports, directly or not, but for what it loads later. */
function imported(entry: string, files: Map<string, Metafile['outputs'][string]>): Set<string> {
  const found = new Set([entry])
  for (const file of found)
    for (const { kind, path, external } of files.get(file)?.imports ?? [])
      if (kind === 'import-statement' && !external) found.add(basename(path))
  return found
}

/** Runs in the process that is measured: imports one file after the other, and prints how long each took. */
const script = `
  const times = []
  for (const file of process.argv.slice(1)) {
    const began = performance.now()
    await import(file)
    times.push(performance.now() - began)
  }
  console.log(JSON.stringify(times))`

/** Starts each function `times` times in a process of its own; in turns, so that all suffer the same noise. */
export async function timeStarts(packages: Package[], times: number): Promise<Start[]> {
  const starts = packages.map(({ name }): Start => ({ name, load: [] }))
  // The first round only brings the files into memory.
  for (let round = 0; round <= times; round++)
    for (const [i, { entry }] of packages.entries()) {
      const [load = Number.NaN] = await run([entry])
      if (round > 0) starts[i]?.load.push(load)
    }
  return starts
}

/** The same for one function and each of its engines. */
export async function timeDrivers({ entry, drivers }: Package, times: number): Promise<DriverStart[]> {
  const starts = drivers.map(
    (driver): DriverStart => ({ ...driver, name: driver.engine, load: [], driver: [] }),
  )
  for (let round = 0; round <= times; round++)
    for (const start of starts) {
      const [load = Number.NaN, driver = Number.NaN] = await run([entry, start.entry])
      if (round === 0) continue
      start.load.push(load)
      start.driver.push(driver)
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
  const options = ['--input-type=module', '--eval', script, ...files]
  const env = { AWS_REGION: 'eu-west-1', POWERTOOLS_SERVICE_NAME: 'keyturn' }
  const { stdout } = await promisify(execFile)(process.execPath, options, { env })
  return JSON.parse(stdout)
}
