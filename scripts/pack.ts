import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build, type Metafile } from 'esbuild'

const project = join(import.meta.dirname, '..')
const run = promisify(execFile)

/** The oldest version of Node.js that the packed command supports: its dependencies need that version. */
const OLDEST_NODE = '22.13'

const README = `# keyturn

The command of Keyturn, which rotates credentials on AWS: it starts rotations and shows how they go, in an account that a
stack of Keyturn is deployed to. See \`keyturn --help\`.
`

/**
 * Packs the command keyturn into `folder`, as npm would publish it. The package includes all dependencies. Parts that few calls
 * need, such as the libraries for an audit's charts, are in files that other calls do not load.
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

/**
 * Bundles a program with its dependencies into `outdir`: a file with the program's name, and files for what it imports dynamically.
 * @returns esbuild's metafile, which lists what is in which file
 */
export async function bundleProgram(entry: string, outdir: string): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: project,
    entryPoints: [entry],
    outdir,
    bundle: true,
    splitting: true,
    // The other files are beside the program, so that code which looks for package.json relative to itself finds it from there.
    chunkNames: '[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: `node${OLDEST_NODE}`,
    mainFields: ['module', 'main'],
    minify: true,
    legalComments: 'none',
    metafile: true,
    // CommonJS packages call require, which ES modules do not have.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  })
  return metafile
}

/** An npm package that the bundle has parts of: its name and version, the name of its licence, and the licence's text. */
type BundledPackage = { named: string; license: string; text: string | undefined }

/** The licences of all packages that a bundle has parts of. Each text appears once, below the packages that have it. */
async function licenceTexts({ inputs }: Metafile): Promise<string> {
  const folders = Object.keys(inputs).flatMap(path => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? [])
  const parts = await Promise.all([...new Set(folders)].sort().map(packageIn))
  const texts = new Map<string, string[]>()
  for (const { named, license, text = licenceOfNeighbour(named, license, parts) } of parts)
    texts.set(text, [...(texts.get(text) ?? []), `${named}: ${license}`])
  const line = '-'.repeat(80)
  return [...texts].map(([text, named]) => `${named.join('\n')}\n\n${text}\n`).join(`\n${line}\n\n`)
}

/** The package in a folder. A package may have no file with its licence, and then has no `text`. */
async function packageIn(folder: string): Promise<BundledPackage> {
  const path = join(project, folder)
  const { name, version, license } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8'))
  const file = (await readdir(path)).find(each => /^licen[cs]e/i.test(each))
  const text = file && (await readFile(join(path, file), 'utf8')).trim()
  return { named: `${name} ${version}`, license, text }
}

/**
 * The licence text of another package with the same scope and licence, as some packages of AWS come without the text.
 * @throws Error if no such package has it
 */
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
