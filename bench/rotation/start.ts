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

/** The package of one function. Sizes are in bytes. */
export type Package = {
  name: string
  zipped: number
  unpacked: number
  /** What is loaded when the function starts. */
  atStart: number
  /** What is loaded for each engine. Empty for a function that asks no database. */
  drivers: Driver[]
  /** The client of Step Functions. */
  stepFunctions: number
  /** All the rest. */
  other: number
  /** URL of the function's file. */
  entry: string
}

/** An engine with its driver: bytes beyond the start, which other engines may share, and the URL of its file. */
export type Driver = { engine: string; bytes: number; entry: string }

/** How many milliseconds each try took to load a function. */
export type Start = { name: string; loadMs: number[] }

/** How many milliseconds each try took to load setSecret, and then (`driverMs`) an engine with its driver, as at the first login. */
export type DriverStart = Driver & Start & { driverMs: number[] }

/** The functions of rotations, and the one that Secrets Manager calls. */
const measuredFunctions = [...new Set(functionsOfRotate.values()), 'rotateSecret']

/** Maxima without and with drivers: bytes of the zip, and milliseconds to load. */
const FUNCTION_LIMITS = { zipped: [120_000, 850_000], load: [45, 60] } as const

/** The check of a package's size. */
export function checkPackage({ name, zipped, drivers }: Package): LimitCheck {
  const [without, withDrivers] = FUNCTION_LIMITS.zipped
  const limit = drivers.length ? withDrivers : without
  return { what: `${name}: package`, found: zipped, limit, unit: 'bytes' }
}

/** The check of a function's start. */
export function checkStart({ name, loadMs }: Start, limit: number = FUNCTION_LIMITS.load[0]): LimitCheck {
  return { what: `${name}: start`, found: median(loadMs), limit, unit: 'ms' }
}

/** The check of a start with PostgreSQL's driver. The starts with other engines are only reported. */
export function checkDriverStarts(drivers: DriverStart[]): LimitCheck[] {
  return drivers
    .filter(({ engine }) => engine === 'postgres')
    .map(start =>
      checkStart(
        { name: 'setSecret with postgres', loadMs: loadMsWithDriver(start) },
        FUNCTION_LIMITS.load[1],
      ),
    )
}

/** How many milliseconds each try took until the function and the engine were loaded. */
export function loadMsWithDriver({ loadMs, driverMs }: DriverStart): number[] {
  return loadMs.map((value, i) => value + (driverMs[i] ?? Number.NaN))
}

/** Packs each function into `folder` as `serverless package` does, without a CA file, and measures the packages. */
export async function packFunctions(folder: string): Promise<Package[]> {
  const functions = Object.fromEntries(measuredFunctions.map(name => [name, {}]))
  await new Bundle({ serviceDir: folder, service: { functions } }).hooks[
    'before:package:createDeploymentArtifacts'
  ]()
  return Promise.all(measuredFunctions.map(name => measurePackage(name, folder)))
}

async function measurePackage(name: string, folder: string): Promise<Package> {
  const bundle = join(folder, '.build', name)
  // The function is bundled once more, as bundleFunction returns what went into which file.
  const { outputs } = await bundleFunction(name, bundle)
  const files = Object.entries(outputs)
  const outputOf = (source: string) => files.find(([, { entryPoint }]) => entryPoint?.endsWith(source))?.[0]
  const bytes = (files: Iterable<string>) =>
    [...files].reduce((sum, file) => sum + (outputs[file]?.bytes ?? 0), 0)
  const atStart = new Set(files.flatMap(([file]) => (basename(file) === 'index.mjs' ? file : [])))
  const importedLater = (file: string) => filesImportedBy(file, outputs).difference(atStart)
  const driverFiles = ENGINE_NAMES.flatMap(engine => {
    const file = outputOf(`/${engine === 'mongo' ? 'mongodb' : engine}.ts`)
    return file ? [{ engine, file, imported: importedLater(file) }] : []
  })
  const client = outputOf('/stepFunctions.ts')
  if (!client) throw new Error(`${name}: no file of the bundle loads the client of Step Functions`)
  const stepFunctions = importedLater(client)
  const accountedFor = driverFiles.reduce(
    (sum, { imported }) => sum.union(imported),
    atStart.union(stepFunctions),
  )
  return {
    name,
    zipped: (await readFile(join(folder, '.serverless', `${name}.zip`))).length,
    unpacked: bytes(Object.keys(outputs)),
    atStart: bytes(atStart),
    drivers: driverFiles.map(({ engine, file, imported }) => ({
      engine,
      bytes: bytes(imported),
      entry: pathToFileURL(join(bundle, basename(file))).href,
    })),
    stepFunctions: bytes(stepFunctions),
    other: bytes(new Set(Object.keys(outputs)).difference(accountedFor)),
    entry: pathToFileURL(join(bundle, 'index.mjs')).href,
  }
}

/** The script of the measured process: imports files one after the other, and prints how many milliseconds each took. */
const IMPORT_SCRIPT = `
  const times = []
  for (const file of process.argv.slice(1)) {
    const began = performance.now()
    await import(file)
    times.push(performance.now() - began)
  }
  console.log(JSON.stringify(times))`

/** Loads each function `times` times, each time in a new process. The functions take turns, as a machine has slower minutes. */
export async function timeStarts(packages: Package[], times: number): Promise<Start[]> {
  const starts = packages.map(({ name }): Start => ({ name, loadMs: [] }))
  // The first round is not counted: it brings the files into the page cache.
  for (let round = 0; round <= times; round++)
    for (const [i, { entry }] of packages.entries()) {
      const [loadMs = Number.NaN] = await timeImports([entry])
      if (round > 0) starts[i]?.loadMs.push(loadMs)
    }
  return starts
}

/** Loads a function and then one of its engines, `times` times for each engine, each time in a new process. */
export async function timeDrivers({ entry, drivers }: Package, times: number): Promise<DriverStart[]> {
  const starts = drivers.map(
    (driver): DriverStart => ({ ...driver, name: driver.engine, loadMs: [], driverMs: [] }),
  )
  for (let round = 0; round <= times; round++)
    for (const start of starts) {
      const [loadMs = Number.NaN, driverMs = Number.NaN] = await timeImports([entry, start.entry])
      if (round === 0) continue
      start.loadMs.push(loadMs)
      start.driverMs.push(driverMs)
    }
  return starts
}

/** For comparison: how many milliseconds each of `times` runs of `node -e 0` took, from its start to its end. */
export async function timeNode(times: number): Promise<number[]> {
  const tookMs: number[] = []
  for (let round = 0; round <= times; round++) {
    const began = performance.now()
    await promisify(execFile)(process.execPath, ['-e', '0'])
    if (round > 0) tookMs.push(performance.now() - began)
  }
  return tookMs
}

/** Imports files in a new process. @returns how many milliseconds each took */
async function timeImports(files: string[]): Promise<number[]> {
  const options = ['--input-type=module', '--eval', IMPORT_SCRIPT, ...files]
  const env = { AWS_REGION: 'eu-west-1', POWERTOOLS_SERVICE_NAME: 'keyturn' }
  const { stdout } = await promisify(execFile)(process.execPath, options, { env })
  return JSON.parse(stdout)
}
