import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const project = join(import.meta.dirname, '../..')
const serverlessCommand = join(project, 'node_modules/serverless/bin/serverless.js')

type Metadata = { 'cfn-lint': { config: { ignore_checks: string[] } } }
/** A template of CloudFormation, with the members that the tests read. */
export type Template = {
  Metadata: Metadata
  Conditions: Record<string, unknown>
  Resources: Record<string, { Type: string; Metadata?: Metadata; Properties: Record<string, unknown> }>
  Outputs: Record<string, { Value: unknown }>
}
/** The result of `serverless package`. */
export type Stack = {
  template: Template
  templateFile: string
  /** @returns the zip file of one function, as it would be uploaded */
  zip(name: string): Promise<Buffer>
}

/** Makes a temporary folder with all that `serverless` reads, so that it writes nothing into the working tree. @returns its path */
export async function copyProject(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-stack-'))
  for (const name of ['serverless.yml', 'package.json', 'resources', 'statemachines'])
    await cp(join(project, name), join(folder, name), { recursive: true })
  // These are links, so that their imports find functions/ and node_modules/.
  for (const name of ['bundle.ts', 'afterDeploy.ts', 'beforeRemove.ts'])
    await symlink(join(project, name), join(folder, name))
  return folder
}

/**
 * Runs `serverless package` for stage `test`, in a temporary folder, so that several may run at once, and without AWS credentials.
 * `files` are texts by name that are added to the project's folder.
 */
export async function packageStack(
  parameters: Record<string, string> = {},
  files: Record<string, string> = {},
): Promise<Stack & AsyncDisposable> {
  await using made = new AsyncDisposableStack()
  const folder = await copyProject()
  made.defer(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const options = Object.entries(parameters).map(([name, value]) => `--param=${name}=${value}`)
  const env = { PATH: process.env.PATH, HOME: folder }
  await promisify(execFile)(process.execPath, [serverlessCommand, 'package', '--stage', 'test', ...options], {
    cwd: folder,
    env,
  })
  const templateFile = join(folder, '.serverless/cloudformation-template-update-stack.json')
  const template = JSON.parse(await readFile(templateFile, 'utf8'))
  const all = made.move()
  return {
    template,
    templateFile,
    zip: name => readFile(join(folder, '.serverless', `${name}.zip`)),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

/** The values of CloudFormation's pseudo parameters in `deployed`. */
const PSEUDO_PARAMETERS: Record<string, string> = {
  'AWS::AccountId': '123456789012',
  'AWS::Partition': 'aws',
  'AWS::Region': 'eu-west-1',
  'AWS::StackName': 'keyturn-test',
  'AWS::URLSuffix': 'amazonaws.com',
}

/**
 * @returns the template as CloudFormation deploys it: with conditions and functions replaced by their values. A reference to a
 * resource becomes its logical id, an attribute `Name.Attribute`.
 */
export function deployed(template: Template): Template {
  const condition = (name: string) => value(template.Conditions[name]) === true
  const noValue = Symbol()
  const functions: Record<string, (argument: never) => unknown> = {
    Ref: (name: string) => (name === 'AWS::NoValue' ? noValue : (PSEUDO_PARAMETERS[name] ?? name)),
    'Fn::GetAtt': (path: string[]) => path.join('.'),
    'Fn::Sub': (text: string) =>
      text.replaceAll(/\$\{([^}]+)\}/g, (_, name) => PSEUDO_PARAMETERS[name] ?? name),
    'Fn::Split': ([separator, text]: [string, unknown]) => String(value(text)).split(separator),
    'Fn::Join': ([separator, list]: [string, unknown[]]) => list.map(value).join(separator),
    'Fn::If': ([name, yes, no]: [string, unknown, unknown]) => value(condition(name) ? yes : no),
    'Fn::And': (operands: unknown[]) => operands.every(operand => value(operand)),
    Condition: (name: string) => condition(name),
    'Fn::Not': ([operand]: [unknown]) => !value(operand),
    'Fn::Equals': ([left, right]: [unknown, unknown]) => value(left) === value(right),
  }
  function value(node: unknown): unknown {
    if (Array.isArray(node)) return node.map(value).filter(item => item !== noValue)
    if (typeof node !== 'object' || node === null) return node
    const [[key, argument] = ['', undefined], ...rest] = Object.entries(node)
    if (!rest.length && functions[key]) return functions[key](argument as never)
    return Object.fromEntries(
      Object.entries(node)
        .map(([name, child]) => [name, value(child)])
        .filter(([, child]) => child !== noValue),
    )
  }
  return value(template) as Template
}
