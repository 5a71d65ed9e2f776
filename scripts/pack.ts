import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build, type Metafile } from 'esbuild'

const project = join(import.meta.dirname, '..')
const run = promisify(execFile)

/** The oldest Node that the package runs under: what it is made of needs that. */
const OLDEST_NODE = '22.13'

const README = `# keyturn

The command of Keyturn, which rotates credentials on AWS: it starts rotations and shows how they go, in an account that a
stack of Keyturn is deployed to. See \`keyturn --help\`.
`

/**
 * Packs the command into `folder`, as npm would publish it, with all it needs: what a call does not use, as the libraries
 * that draw an audit's charts, stands in files that it does not read.
 * @returns the path of the tarball
 */
export async function packCommand(folder: string): Promise<string> {
  const made = join(folder, 'package')
  await rm(made, { recursive: true, force: true })
  await mkdir(join(made, 'bin'), { recursive: true })
  const { name, version, description, license } = JSON.parse(
    await readFile(join(project, 'package.json'), 'utf8'),
  )
  const bundled = await bundleProgram('cli/keyturn.ts', join(made, 'bin'))
  const manifest = {
    name,
    version,
    description,
    license,
    type: 'module',
    bin: { keyturn: 'bin/keyturn.js' },
    engines: { node: `>=${OLDEST_NODE}` },
  }
  await writeFile(join(made, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
  await writeFile(join(made, 'README.md'), README)
  await writeFile(join(made, 'THIRD-PARTY.txt'), await licenceTexts(bundled))
  await cp(join(project, 'LICENSE'), join(made, 'LICENSE'))
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', '..'], {
    cwd: made,
  })
  const [{ filename }] = JSON.parse(stdout)
  await rm(made, { recursive: true })
  return join(folder, filename)
}

/** Writes a program and all that it needs into `outdir`: a file of its own name, and one for each part that is loaded late. */
export async function bundleProgram(entry: string, outdir: string): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: project,
    entryPoints: [entry],
    outdir,
    bundle: true,
    splitting: true,
    // Beside the program, as what looks for package.json by its own place finds it from there too.
    chunkNames: '[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: `node${OLDEST_NODE}`,
    mainFields: ['module', 'main'],
    minify: true,
    legalComments: 'none',
    metafile: true,
    // CommonJS packages call require, which a module does not have.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  })
  return metafile
}

type BundledPackage = { named: string; license: string; text: string | undefined }

/** The licence of every package that a bundle holds parts of: each text once, under the packages that are under it. */
async function licenceTexts({ inputs }: Metafile): Promise<string> {
  const folders = Object.keys(inputs).flatMap(path => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? [])
  const parts = await Promise.all([...new Set(folders)].sort().map(packageIn))
  const texts = new Map<string, string[]>()
  for (const { named, license, text = licenceOfNeighbour(named, license, parts) } of parts)
    texts.set(text, [...(texts.get(text) ?? []), `${named}: ${license}`])
  const line = '-'.repeat(80)
  return [...texts].map(([text, named]) => `${named.join('\n')}\n\n${text}\n`).join(`\n${line}\n\n`)
}

async function packageIn(folder: string): Promise<BundledPackage> {
  const path = join(project, folder)
  const { name, version, license } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8'))
  const file = (await readdir(path)).find(each => /^licen[cs]e/i.test(each))
  const text = file && (await readFile(join(path, file), 'utf8')).trim()
  return { named: `${name} ${version}`, license, text }
}

/** Some packages of AWS come without the text of their licence: it is their neighbours'. @throws if nobody has it */
function licenceOfNeighbour(named: string, license: string, parts: BundledPackage[]): string {
  const scope = named.split('/')[0] ?? ''
  const neighbour = parts.find(
    part => part.named.startsWith(`${scope}/`) && part.license === license && part.text,
  )
  if (!neighbour?.text) throw new Error(`${named}: the text of its licence, ${license}, is nowhere`)
  return neighbour.text
}

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? join(project, '.build'))
  await mkdir(folder, { recursive: true })
  console.log(await packCommand(folder))
}
