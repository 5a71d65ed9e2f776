import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { vi } from 'vitest'
import { stackXml } from '../../local/aws/audited/stacks.ts'
import { element, elements, errorXml, responseXml } from '../../local/aws/audited/xml.ts'
import { signatureScopeOf } from '../../local/aws/signatureScope.ts'
import { arnOf } from '../../local/embedded/stateMachine.ts'
import manifest from '../../package.json' with { type: 'json' }

type Refusal = { name: string; message?: string; status?: number }
/** A stack as DescribeStacks returns it. Without a Region, it is in every Region. */
export type DescribedStack = { name: string; outputs: Record<string, string>; region?: string }

/** A server that plays an AWS account for the command: stacks and parameters itself, the other services by emulators. */
export type Account = {
  /** The value of AWS_ENDPOINT_URL. */
  url: string
  stacks: DescribedStack[]
  /** The tags of each parameter, by its name. */
  parameters: Map<string, Record<string, string>>
  /** Called first for each call with JSON. What it returns is the answer, unless undefined. */
  answer:
    | ((action: string, request: Record<string, string>) => object | undefined | Promise<object | undefined>)
    | undefined
  /** Answers RotateSecret instead of the emulator of Secrets Manager: undefined is success. */
  rotateSecret: ((id: string, token: string) => Refusal | undefined) | undefined
  /** Members to add to DescribeSecret's answer, by the secret's name. ListSecrets returns only these secrets. */
  secrets: Map<string, object>
  /** The inputs of the executions of rotate-due that were started. */
  runs: string[]
  /** From now on `rule` may refuse each call, or have it `never` answered. Without a rule, calls are answered again. */
  refuse(rule?: (action: string, region: string) => Refusal | 'never' | undefined): void
  /** The names of all calls so far. */
  calls: string[]
  /** All calls with JSON so far, with their Regions and inputs. */
  sent: { action: string; region: string; request: Record<string, unknown> }[]
  stop(): void
}

/** The URLs of emulators. `others` plays the services that are not named, and Parameter Store. */
type Played = { secretsManager?: string; stepFunctions?: string; others?: string }
type Answer = { status: number; body: string }

/** The ARN of rotateSecret in the account. */
export const functionArn = arnOf('lambda', 'function:keyturn-local-rotateSecret')

/** @returns a stack of this version of Keyturn */
export const stackOf = (stage: string, more: Record<string, string> = {}): DescribedStack => ({
  name: `keyturn-${stage}`,
  outputs: {
    Stage: stage,
    Version: manifest.version,
    RotateStateMachineArn: arnOf('states', `stateMachine:keyturn-${stage}-rotate`),
    RotateDueStateMachineArn: arnOf('states', `stateMachine:keyturn-${stage}-rotate-due`),
    RotateSecretFunctionArn: functionArn,
    ...more,
  },
})

/** Starts the server. */
export async function startAccount(played: Played = {}): Promise<Account> {
  let rule: Parameters<Account['refuse']>[0]
  const server = createServer(async (incoming, outgoing) => {
    const body = Buffer.concat(await incoming.toArray()).toString()
    const answered = await answerTo(incoming, body).catch(() => undefined)
    // The emulator has closed the connection, so this one is closed too.
    if (!answered) return incoming.socket.destroy()
    const { status, body: answer } = answered
    outgoing.writeHead(status, { 'content-type': incoming.headers['content-type'] }).end(answer)
  })
  const account: Account = {
    url: '',
    stacks: [],
    parameters: new Map(),
    answer: undefined,
    rotateSecret: undefined,
    secrets: new Map(),
    runs: [],
    refuse: next => {
      rule = next
    },
    calls: [],
    sent: [],
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }

  async function answerTo(incoming: IncomingMessage, body: string): Promise<Answer> {
    const [, service = '', action = /Action=(\w+)/.exec(body)?.[1] ?? ''] =
      /^(\w+)\.(\w+)$/.exec(`${incoming.headers['x-amz-target']}`) ?? []
    account.calls.push(action)
    const { region = '' } = signatureScopeOf(incoming)
    const refusal = rule?.(action, region)
    if (refusal === 'never') return new Promise(() => {})
    if (!service) {
      const stacks = account.stacks.filter(stack => stack.region === undefined || stack.region === region)
      return refusal ? refusedXml(refusal) : stacksXml(stacks, body)
    }
    account.sent.push({ action, region, request: JSON.parse(body) })
    if (refusal) return refused(refusal)
    const request = JSON.parse(body)
    const answer = await account.answer?.(action, request)
    if (answer) return '__type' in answer ? { status: 400, body: JSON.stringify(answer) } : ok(answer)
    if (service === 'AmazonSSM' && !played.others) return ok(parameterAnswer(account, action, request))
    if (action === 'ListSecrets' && !played.secretsManager && !played.others) {
      const [prefix = ''] = request.Filters?.[0]?.Values ?? []
      const names = [...account.secrets.keys()].filter(name => name.startsWith(prefix))
      return ok({ SecretList: names.map(Name => ({ Name })), NextToken: 'more' })
    }
    if (action === 'RotateSecret' && account.rotateSecret) {
      const { SecretId, ClientRequestToken } = request
      const refusal = account.rotateSecret(SecretId, ClientRequestToken)
      return refusal ? refused(refusal) : ok({ ARN: SecretId, VersionId: ClientRequestToken })
    }
    if (action === 'StartExecution' && `${request.stateMachineArn}`.endsWith('-due')) {
      account.runs.push(request.input)
      return ok({ executionArn: arnOf('states', `execution:${account.runs.length}`), startDate: 0 })
    }
    const own = { secretsmanager: played.secretsManager, AWSStepFunctions: played.stepFunctions }
    const url = own[service as keyof typeof own] ?? played.others
    if (!url) return refused({ name: 'ResourceNotFoundException' })
    // An emulator reads service and Region from the scope of the signature.
    const headers = Object.entries(incoming.headers).filter(([name]) =>
      /^(x-amz|content-type|authorization)/.test(name),
    )
    const response = await fetch(url, { method: 'POST', body, headers: Object.fromEntries(headers) as never })
    const answered = await response.text()
    if (action !== 'DescribeSecret' || !response.ok) return { status: response.status, body: answered }
    const secret = JSON.parse(answered)
    return ok({ ...secret, ...account.secrets.get(secret.Name) })
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  account.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return account
}

const ok = (body: object): Answer => ({ status: 200, body: JSON.stringify(body) })
const refused = ({ name, message = name, status = 400 }: Refusal): Answer => ({
  status,
  body: JSON.stringify({ __type: name, message }),
})
const refusedXml = ({ name, message = name, status = 400 }: Refusal): Answer => ({
  status,
  body: errorXml(name, message),
})

/** Answers DescribeStacks with one stack a page, so that a command that reads only the first page misses some. */
function stacksXml(stacks: DescribedStack[], body: string): Answer {
  const page = Number(/NextToken=(\d+)/.exec(body)?.[1] ?? 0)
  const next = page + 1 < stacks.length ? element('NextToken', `${page + 1}`) : ''
  const answered = elements('Stacks', stacks.slice(page, page + 1).map(stackXml)) + next
  return { status: 200, body: responseXml('DescribeStacks', answered) }
}

type ParameterRequest = {
  ParameterFilters?: { Option?: string; Values?: string[] }[]
  ResourceId?: string
  Tags?: { Key: string; Value: string }[]
  TagKeys?: string[]
}

function parameterAnswer({ parameters }: Account, action: string, request: ParameterRequest): object {
  const { ResourceId = '', Tags = [], TagKeys = [] } = request
  if (action === 'AddTagsToResource' || action === 'RemoveTagsFromResource') {
    const tags = { ...parameters.get(ResourceId) }
    for (const { Key, Value } of Tags) tags[Key] = Value
    for (const key of TagKeys) delete tags[key]
    parameters.set(ResourceId, tags)
    return {}
  }
  if (action === 'ListTagsForResource') {
    const tags = Object.entries(parameters.get(ResourceId) ?? {})
    return { TagList: tags.map(([Key, Value]) => ({ Key, Value })) }
  }
  const { Option, Values = [] } = request.ParameterFilters?.[0] ?? {}
  const fits = (name: string) =>
    Option === 'Equals' ? Values.includes(name) : name.startsWith(Values[0] ?? '')
  const names = [...parameters.keys()].filter(fits)
  return { Parameters: names.map(Name => ({ Name, Type: 'SecureString' })) }
}

/** How a run of the command ended: its exit code and what it printed. */
export type CommandResult = { code: number | null; stdout: string; stderr: string }
/** The path of the command's source. */
export const commandFile = fileURLToPath(new URL('../../cli/keyturn.ts', import.meta.url))

/** @returns the environment variables of the command, without this process's AWS settings */
export const commandEnvironment = (url: string, more: Record<string, string> = {}) => ({
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_ENDPOINT_URL: url,
  AWS_REGION: 'eu-west-1',
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'secret',
  ...more,
})

/** Points this process at the account, until vi.unstubAllEnvs is called. */
export function stubEnvironment(url: string): void {
  for (const [name, value] of Object.entries(commandEnvironment(url))) vi.stubEnv(name, value)
  for (const name of ['AWS_PROFILE', 'AWS_SESSION_TOKEN']) vi.stubEnv(name, undefined)
}

/** Runs the command to its end. `started` gets the process, and a function that returns what it has printed so far. */
export async function runCommand(
  words: string[],
  env: NodeJS.ProcessEnv,
  started: (child: ReturnType<typeof start>, printed: () => string) => void = () => {},
  command = [process.execPath, commandFile],
): Promise<CommandResult> {
  const child = start([...command, ...words], env)
  const ended = once(child, 'close')
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', chunk => (stdout += chunk))
  child.stderr.on('data', chunk => (stderr += chunk))
  started(child, () => stdout)
  const [code] = await ended
  return { code, stdout, stderr }
}

const start = ([program = '', ...words]: string[], env: NodeJS.ProcessEnv) =>
  spawn(program, words, { env, stdio: 'pipe' })
