import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { zipSync } from 'fflate'
import type { ComparisonInputs } from '../compare.ts'
import { ENGINE_NAMES, type Engine } from '../source.ts'

/** The Python distribution with the driver of each of AWS's functions. */
const DRIVERS = { postgres: 'PyGreSQL', mysql: 'PyMySQL', mariadb: 'PyMySQL' } as const

/** The package of one of AWS's functions: its bytes, and the libraries in it, in words. */
export type Zip = { engine: Engine; bytes: number; libraries: string }

/** A Python script that prints the files of a distribution: each one's path below the import folder, and its full path. */
const LIST_FILES_SCRIPT = `
import importlib.metadata, json, sys
files = importlib.metadata.files(sys.argv[1])
inside = [file for file in files if ".." not in file.parts and "__pycache__" not in file.parts]
print(json.dumps({str(file): str(file.locate()) for file in inside}))
`

/** Packs AWS's function for a single user, for each engine. */
export async function zipFunctions(inputs: ComparisonInputs): Promise<Zip[]> {
  const engines = ENGINE_NAMES.filter(engine => engine !== 'postgres' || inputs.python.hasPostgresDriver)
  return Promise.all(engines.map(engine => zipFunction(inputs, engine)))
}

/**
 * Packs a function with its driver and, for PostgreSQL, the shared library libpq. Lambda's Python runtime has boto3. What libpq
 * itself needs is left out, in favour of AWS's side.
 */
async function zipFunction({ python, source }: ComparisonInputs, engine: Engine): Promise<Zip> {
  const run = promisify(execFile)
  const driver = DRIVERS[engine]
  const { stdout } = await run(join(python.bin, 'python'), ['-c', LIST_FILES_SCRIPT, driver])
  const paths: Record<string, string> = JSON.parse(stdout)
  const native = Object.values(paths).find(path => path.endsWith('.so'))
  const libpq = native && /libpq\.so\S* => (\S+)/.exec((await run('ldd', [native])).stdout)?.[1]
  if (libpq) paths['lib/libpq.so.5'] = libpq
  const files = await Promise.all(
    Object.entries(paths).map(async ([path, at]) => [path, new Uint8Array(await readFile(at))] as const),
  )
  const text = new TextEncoder().encode(await source.read(engine, 'single'))
  const zip = zipSync({ 'lambda_function.py': text, ...Object.fromEntries(files) }, { level: 9 })
  return { engine, bytes: zip.length, libraries: libpq ? `${driver} and libpq` : driver }
}
