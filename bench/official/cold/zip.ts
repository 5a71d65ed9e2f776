import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { zipSync } from 'fflate'
import type { Sides } from '../compare.ts'
import { type Engine, engineNames } from '../source.ts'

/** What each of AWS's functions logs in with. */
const drivers = { postgres: 'PyGreSQL', mysql: 'PyMySQL', mariadb: 'PyMySQL' } as const

/** Bytes of one of AWS's functions, as it would be uploaded, and what is in it besides the function. */
export type Zip = { engine: Engine; bytes: number; libraries: string }

/** Prints the path of every file of a distribution, as it is inside the folder that Python imports from, and where it is. */
const list = `
import importlib.metadata, json, sys
files = importlib.metadata.files(sys.argv[1])
inside = [file for file in files if ".." not in file.parts and "__pycache__" not in file.parts]
print(json.dumps({str(file): str(file.locate()) for file in inside}))
`

export async function zipAll(sides: Sides): Promise<Zip[]> {
  const engines = engineNames.filter(engine => engine !== 'postgres' || sides.python.postgres)
  return Promise.all(engines.map(engine => zipOne(sides, engine)))
}

/**
 * The function for a single user, its driver, and the shared library that the driver of PostgreSQL cannot do without. Boto3
 * is there where Lambda runs Python, and so, in favour of AWS's side, is all that this library needs.
 */
async function zipOne({ python, source }: Sides, engine: Engine): Promise<Zip> {
  const run = promisify(execFile)
  const driver = drivers[engine]
  const { stdout } = await run(join(python.bin, 'python'), ['-c', list, driver])
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
