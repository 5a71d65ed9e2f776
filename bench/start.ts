import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { Metafile } from 'esbuild'
import Bundle, { bundleFunction } from '../bundle.ts'
import { functionOf } from '../local/embedded.ts'
import type { Check } from './counts.ts'

/** Bytes of one function's package. */
export type Package = {
  name: string
  zipped: number
  unpacked: number
  /** What is loaded when the function starts, and what only when it is used. */
  atStart: number
  driver: number
  stepFunctions: number
  other: number
  /** The files to import, as URLs. */
  entry: string
  driverEntry: string
}

/** Milliseconds, one of each try. */
export type Start = { name: string; load: number[]; driver: number[] }

const names = [...new Set(Object.values(functionOf))]
const loggingIn = ['setSecret', 'testSecret', 'rollbackSecret', 'retireSecret']

const limits = { zipped: 600_000, load: 80 }

export function packageCheck({ name, zipped }: Package): Check {
  return { what: `${name}: package`, found: zipped, limit: limits.zipped, unit: 'bytes' }
}

export function startCheck({ name, load }: Start): Check {
  return { what: `${name}: start`, found: median(load), limit: limits.load, unit: 'ms' }
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2
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
  const driverFile = loading('rotation/engines/postgres.ts')
  const atStart = imported('index.mjs', files)
  const driver = imported(driverFile, files).difference(atStart)
  const stepFunctions = imported(loading('node_modules/@aws-sdk/client-sfn/'), files).difference(atStart)
  const named = atStart.union(driver).union(stepFunctions)
  return {
    name,
    zipped: (await readFile(join(folder, '.serverless', `${name}.zip`))).length,
    unpacked: bytes(files.keys()),
    atStart: bytes(atStart),
    driver: bytes(driver),
    stepFunctions: bytes(stepFunctions),
    other: bytes(new Set(files.keys()).difference(named)),
    entry: pathToFileURL(join(bundle, 'index.mjs')).href,
    driverEntry: pathToFileURL(join(bundle, driverFile)).href,
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
  const starts = packages.map(({ name }): Start => ({ name, load: [], driver: [] }))
  // The first round only brings the files into memory.
  for (let round = 0; round <= times; round++)
    for (const [i, { name, entry, driverEntry }] of packages.entries()) {
      const [load = Number.NaN, driver] = await run([
        '--input-type=module',
        '--eval',
        script,
        entry,
        ...(loggingIn.includes(name) ? [driverEntry] : []),
      ])
      if (round === 0) continue
      starts[i]?.load.push(load)
      if (driver !== undefined) starts[i]?.driver.push(driver)
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

async function run(options: string[]): Promise<number[]> {
  const env = { AWS_REGION: 'eu-west-1', POWERTOOLS_SERVICE_NAME: 'keyturn' }
  const { stdout } = await promisify(execFile)(process.execPath, options, { env })
  return JSON.parse(stdout)
}
