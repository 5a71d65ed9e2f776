import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, normalize, relative } from 'node:path'
import { zipSync } from 'fflate'
import { bundleFunction } from './bundleFunction.ts'
import { checkParameters, type ParametersByStage } from './deployParameters.ts'
import { parseEnvironment, parseFindDueEnvironment } from './functions/shared/environment.ts'
import { generatePassword } from './rotation/password.ts'
import { parseHostMap } from './rotation/promotion/hostMap.ts'

/** A zip of every file in `folder`. Equal files make equal bytes on every machine, so that unchanged code is not redeployed. */
async function zipFolder(folder: string): Promise<Uint8Array> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const files = paths.sort().map(async path => [relative(folder, path), await readFile(path)] as const)
  // The date is fixed, so that equal files make equal bytes. `os: 3` is Unix, and the upper half of `attrs` the mode 0644, since
  // Lambda needs files that everybody may read.
  const attributes = { mtime: new Date(1980, 0, 1), os: 3, attrs: 0o100644 * 2 ** 16 }
  return zipSync(Object.fromEntries(await Promise.all(files)), { level: 9, ...attributes })
}

type Variables = Record<string, unknown>
/** The part of osls (the fork of the Serverless Framework) that this plugin uses. */
type Osls = {
  serviceDir: string
  configurationInput?: { params?: ParametersByStage }
  processedInput?: { options: { param?: string[] } }
  service: {
    provider?: { stage: string }
    functions: Record<string, { environment?: Variables; package?: { artifact: string } }>
    resources?: {
      Resources: { DueSchedule?: { Properties: { ScheduleExpression: string } } }
      Outputs?: { Settings?: { Value: string } }
    }
  }
}

/**
 * The plugin for serverless.yml that checks the deployment's parameters and makes each function's package: its bundle, and the
 * files that its environment names.
 */
export default class Bundle {
  readonly #osls: Osls

  /** `${text(path)}` in serverless.yml is the text of a file. `${file(path)}` would parse JSON, and osls then drops every null. */
  readonly configurationVariablesSources = {
    text: {
      resolve: async ({ params: [path], serviceDir }: { params: [string]; serviceDir: string }) => ({
        value: await readFile(join(serviceDir, path), 'utf8'),
      }),
    },
  }
  readonly hooks = {
    'before:package:createDeploymentArtifacts': () => this.#checkAndPack(),
    'before:package:function:package': () => this.#checkAndPack(),
  }

  constructor(osls: Osls) {
    this.#osls = osls
  }

  async #checkAndPack(): Promise<void> {
    try {
      await this.#check()
    } catch (error) {
      // osls prints only the decoratedMessage of an error that has one. Of any other error it prints the stack trace.
      if (error instanceof Error) Object.assign(error, { decoratedMessage: error.message })
      throw error
    }
    this.#writeSettingsOutput()
    await this.#pack()
  }

  /**
   * Writes the settings that the stacks of two Regions should share into the output Settings, by which the command compares them.
   * The value is JSON; the template itself could not write it, as a parameter's value may contain quotes.
   */
  #writeSettingsOutput(): void {
    const { functions, resources } = this.#osls.service
    const variables: Variables = Object.assign(
      {},
      ...COMPARED_FUNCTIONS.map(name => functions[name]?.environment),
    )
    const settings = Object.entries(variables).filter(([name]) => name in PARAMETER_BY_VARIABLE)
    if (resources?.Outputs?.Settings)
      resources.Outputs.Settings.Value = JSON.stringify(
        Object.fromEntries(settings.map(([name, value]) => [PARAMETER_BY_VARIABLE[name], String(value)])),
      )
  }

  /** Checks the parameters and the functions' environments. @throws Error or an error of rotation/errors.ts naming the parameter */
  async #check(): Promise<void> {
    const { service, serviceDir, configurationInput, processedInput } = this.#osls
    const { param } = processedInput?.options ?? {}
    checkParameters(configurationInput?.params ?? {}, service.provider?.stage ?? '', param)
    for (const { environment } of Object.values(service.functions)) {
      checkEnvironment(environment)
      await filesOf(environment, serviceDir)
    }
    const schedule = service.resources?.Resources.DueSchedule?.Properties.ScheduleExpression
    if (schedule !== undefined) checkSchedule(schedule)
  }

  async #pack(): Promise<void> {
    const { service, serviceDir } = this.#osls
    const functions = Object.entries(service.functions)
    await mkdir(join(serviceDir, '.serverless'), { recursive: true })
    for (const [name, settings] of functions) {
      const folder = join(serviceDir, '.build', name)
      await bundleFunction(name, folder)
      for (const [path, text] of await filesOf(settings.environment, serviceDir)) {
        await mkdir(dirname(join(folder, path)), { recursive: true })
        await writeFile(join(folder, path), text)
      }
      const artifact = join(serviceDir, '.serverless', `${name}.zip`)
      await writeFile(artifact, await zipFolder(folder))
      settings.package = { artifact }
    }
  }
}

/** The functions whose environments together have every variable of PARAMETER_BY_VARIABLE. */
const COMPARED_FUNCTIONS = ['createSecret', 'testSecret', 'findDue']
/** The variables that are compared between Regions, and the parameter of the deployment that sets each. */
const PARAMETER_BY_VARIABLE: Record<string, string> = {
  KEYTURN_GRACE: 'grace',
  PASSWORD_LENGTH: 'passwordLength',
  EXCLUDE_CHARACTERS: 'excludeCharacters',
  EXCLUDE_NUMBERS: 'excludeNumbers',
  EXCLUDE_PUNCTUATION: 'excludePunctuation',
  EXCLUDE_UPPERCASE: 'excludeUppercase',
  EXCLUDE_LOWERCASE: 'excludeLowercase',
  REQUIRE_EACH_INCLUDED_TYPE: 'requireEachIncludedType',
  KEYTURN_TEST_QUERY_MAY_WRITE: 'testQueryMayWrite',
  KEYTURN_DUE_SCHEDULE: 'dueSchedule',
  KEYTURN_MAX_ROTATIONS: 'maxConcurrentRotations',
  KEYTURN_MAX_ROTATIONS_PER_HOST: 'maxConcurrentRotationsPerHost',
}

/**
 * Checks a function's environment, so that a wrong parameter fails the deployment and not every rotation or alarm. Variables that
 * are no texts yet, such as ARNs that CloudFormation fills in, are left out.
 */
function checkEnvironment(environment: Variables = {}): void {
  const texts: Variables = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => typeof value === 'string'),
  )
  const { defaults } = parseEnvironment(texts as NodeJS.ProcessEnv)
  // Throws if no password is possible with the rules for passwords.
  generatePassword(defaults.password)
  if ('KEYTURN_MAX_ROTATIONS' in environment)
    // These two are ARNs, which may be missing here: see above.
    parseFindDueEnvironment({
      KEYTURN_RUNS: '-',
      KEYTURN_ROTATION_FUNCTION: '-',
      ...texts,
    } as NodeJS.ProcessEnv)
  const { KEYTURN_WEBHOOK_PARAMETER: webhook } = environment
  if (webhook && !String(webhook).startsWith('/'))
    throw new Error(`webhookParameter: should begin with /, not ${webhook}`)
}

/**
 * Checks the schedule of rotate-due. A rarer one, or a cron, would raise the alarm that no run has looked for due credentials.
 * @throws Error
 */
function checkSchedule(schedule: string): void {
  const [, count, unit] = /^rate\((\d+) (minute|hour)s?\)$/.exec(schedule) ?? []
  const minutes = Number(count) * (unit === 'hour' ? 60 : 1)
  if (!(minutes >= 1 && minutes <= 60))
    throw new Error(
      `dueSchedule: should be a rate of at most an hour, such as rate(15 minutes), not ${schedule}`,
    )
}

/** The files that functions read: the variable with the path, the parameter that sets it, and a check that throws an Error. */
const FUNCTION_FILES: [variable: string, parameter: string, check: (text: string) => unknown][] = [
  ['KEYTURN_CA_FILE', 'caFile', checkCertificates],
  ['KEYTURN_HOST_MAP', 'hostMap', parseHostMap],
]

/**
 * The files that a function reads: their texts by their paths. Lambda starts a function in the folder of its package, so the
 * relative path of a file is the same there.
 * @throws Error naming the parameter, if a file cannot be read or its text is wrong
 */
async function filesOf(environment: Variables = {}, folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const [variable, parameter, check] of FUNCTION_FILES) {
    const path = environment[variable]
    if (typeof path !== 'string' || !path) continue
    if (isAbsolute(path) || normalize(path).startsWith('..'))
      throw new Error(`${parameter}: should be the path of a file in the project's folder, not ${path}`)
    const text = await readFile(join(folder, path), 'utf8').catch(() => {
      throw new Error(`${parameter}: ${path} cannot be read: is there such a file in the project's folder?`)
    })
    try {
      check(text)
    } catch (error) {
      throw new Error(`${parameter}: ${path} ${(error as Error).message}`)
    }
    files.set(path, text)
  }
  return files
}

function checkCertificates(text: string): void {
  if (!text.includes('-----BEGIN CERTIFICATE-----') || text.includes('PRIVATE KEY-----'))
    throw new Error('should hold certificates in PEM form, and nothing else')
}
