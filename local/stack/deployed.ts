import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation'
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs'
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import {
  DescribeExecutionCommand,
  type DescribeExecutionOutput,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn'
import { SNSClient, SubscribeCommand } from '@aws-sdk/client-sns'
import { SQSClient } from '@aws-sdk/client-sqs'
import { SSMClient } from '@aws-sdk/client-ssm'
import { Users } from '../client/users.ts'
import { ParameterValueStore, SecretValueStore, type ValueStore } from '../client/valueStores.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { startMiniStack } from './ministack.ts'
import { pythonBin } from './python.ts'
import { Queue } from './queue.ts'
import { runServerless } from './serverless.ts'
import { collectWrittenTexts, logLinesOf } from './writtenTexts.ts'

/** The project's folder, in which `serverless deploy` runs. */
export const projectFolder = join(import.meta.dirname, '../..')

/** The file with the servers' certificates, in the project's folder. Git ignores it; bundle.ts packs it with the functions. */
const CA_FILE = '.local/ca.pem'
const STACK_NAME = 'keyturn-local'

/** An event that a state machine put on the event bus: its detail type, and in `execution` the ARN of the execution. */
export type Announcement = { 'detail-type': string; detail: { execution: string } }

/** An alarm, as a subscriber of the SNS topic gets it. */
export type Alarm = { Subject: string; Message: string }

/** The stack deployed to a local AWS, a PostgreSQL, and ways to use and watch both. */
export type Deployed = {
  /** The endpoint of the local AWS. */
  url: string
  region: string
  /** Environment variables for a shell or a child process: the endpoint, the Region and made-up credentials. */
  env: Record<string, string>
  /** The same as settings of an SDK client. */
  client: { endpoint: string; region: string; credentials: { accessKeyId: string; secretAccessKey: string } }
  stateMachineArn: string
  /** URLs of the queues that receive all events and all alarms. `waitForAnnouncements` and `waitForAlarms` read the queues. */
  queueUrls: { announcements: string; alarms: string }
  postgres: PostgresServer
  secrets: SecretValueStore
  parameters: ParameterValueStore
  users: Users
  /** MiniStack's log. Undefined if AWS_ENDPOINT_URL names another local AWS. */
  logFile: string | undefined
  /** Runs `serverless` once more on this stack, with further parameters (`--param`). @returns what it prints to stdout */
  runServerless(command: 'deploy' | 'remove', params?: Record<string, string>): Promise<string>
  /**
   * Deploys the stack, with further parameters, to another Region of the account, with queues of its own and the same PostgreSQL.
   * `stop` of this deployment also stops the other one.
   */
  deployInRegion(region: string, params?: Record<string, string>): Promise<Deployed>
  /** Connects to another server, to make users there. The option `trust` must have its certificate. */
  usersOf(postgres: PostgresServer): Promise<Users>
  /** The value of a stack output. @throws Error if there is none */
  readOutput(key: string): Promise<string>
  /** Rotates a secret, or a parameter if `valueStore` says so, and waits until the execution has ended. */
  rotate(id: string, valueStore?: ValueStore): Promise<DescribeExecutionOutput>
  /** Waits until an execution has ended. */
  waitForEnd(executionArn: string | undefined): Promise<DescribeExecutionOutput>
  /** Waits for the first event of an execution, 20 seconds at most. @returns every event of it so far */
  waitForAnnouncements(executionArn: string): Promise<Announcement[]>
  /** Waits for so many alarms whose message has this text, such as an ARN, 20 seconds at most. @returns all such alarms */
  waitForAlarms(text: string, count?: number): Promise<Alarm[]>
  /** The lines that a function has logged so far. `name` is its name in serverless.yml. */
  functionLogLines(name: string): Promise<string[]>
  /** All texts that the local AWS keeps, by their place: execution histories, log groups, events and alarms. */
  collectWrittenTexts(): Promise<Map<string, string>>
  /** The password in each version of each secret and parameter of this deployment. */
  collectPasswords(): Promise<string[]>
  /** Stops what was started. */
  stop(): Promise<void>
}

type Options = {
  region?: string
  /** The folder that is deployed: the project's, or a copy of it. */
  folder?: string
  /** Parameters of `serverless deploy` (`--param`) besides region and caFile. */
  params?: Record<string, string>
  /** Certificates of further servers that the functions trust, as files. */
  trust?: string[]
  /** Returns environment variables of whoever deploys, besides `env`. By default credentials that may do everything are used. */
  deployer?: (env: Record<string, string>) => Promise<Record<string, string>>
  /** Called with a description of each step when it begins. */
  tell?: (step: string) => void
}

/**
 * Deploys the project with `serverless deploy` to the local AWS at AWS_ENDPOINT_URL, or else to a MiniStack that it starts. It
 * starts a PostgreSQL too. What it started ends with this process at the latest.
 * @returns undefined, after a warning, if there is neither AWS_ENDPOINT_URL nor Python: see `pythonBin`
 */
export async function startDeployed({
  region = 'us-east-1',
  folder = projectFolder,
  params = {},
  trust = [],
  deployer = async () => ({}),
  tell = () => {},
}: Options = {}): Promise<Deployed | undefined> {
  const endpoint = process.env.AWS_ENDPOINT_URL
  const bin = endpoint ? undefined : await pythonBin()
  if (!endpoint && !bin) return undefined
  await using started = new AsyncDisposableStack()
  tell(bin ? 'starting MiniStack, a local AWS, and PostgreSQL' : 'starting PostgreSQL')
  const [ministack, postgres] = await Promise.all([bin ? startMiniStack(bin) : undefined, startPostgres()])
  started.defer(() => postgres.stop())
  if (ministack) started.defer(() => ministack.stop())
  putCertificates(folder, [postgres.caFile, ...trust])

  const basis: DeploymentBasis = {
    url: endpoint ?? ministack?.url ?? '',
    logFile: ministack?.logFile,
    postgres,
    folder,
    params: { caFile: CA_FILE, ...params },
    deployer,
    // Each run has names of its own, as a local AWS at AWS_ENDPOINT_URL may still have the secrets of earlier runs.
    namePrefix: `local-${randomUUID().slice(0, 8)}/`,
    tell,
  }
  // Without `await` here, `started` would be disposed of at once. After a success it is empty.
  return await deployIn(region, basis, started)
}

/** What a deployment and those in further Regions have in common. */
type DeploymentBasis = Pick<Deployed, 'url' | 'logFile' | 'postgres'> & {
  folder: string
  params: Record<string, string>
  deployer: NonNullable<Options['deployer']>
  /** The names of all secrets and parameters begin with this. */
  namePrefix: string
  tell: (step: string) => void
}

/**
 * Deploys the stack to a Region.
 * @param started what was started for this deployment. The `stop` of what is returned disposes of it. If this function throws, the
 *   caller has to dispose of it
 */
async function deployIn(
  region: string,
  basis: DeploymentBasis,
  started: AsyncDisposableStack,
): Promise<Deployed> {
  const { url, postgres, folder, namePrefix, tell } = basis
  const env = environmentFor(url, region)
  const options = {
    folder,
    params: { region, ...basis.params },
    env: { ...env, ...(await basis.deployer(env)) },
  }
  tell('packing the functions and deploying the stack: serverless deploy --stage local')
  await runServerless('deploy', options)
  tell('making users and queues')

  const client = { endpoint: url, region, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } }
  const secrets = new SecretValueStore(new SecretsManagerClient(client))
  const parameters = new ParameterValueStore(new SSMClient(client))
  const stepFunctions = new SFNClient(client)
  const logs = new CloudWatchLogsClient(client)
  const readOutput = (key: string) => outputOf(new CloudFormationClient(client), key)
  const stateMachineArn = await readOutput('RotateStateMachineArn')

  const { announcements, alarms } = await openQueues(client, await readOutput('AlarmTopicArn'))
  const users = started.use(await Users.connect(postgres, secrets, namePrefix))
  const resources = started.move()
  const waitForEnd = (executionArn: string | undefined) => waitForExecutionEnd(stepFunctions, executionArn)

  return {
    url,
    region,
    env,
    client,
    stateMachineArn,
    queueUrls: { announcements: announcements.url, alarms: alarms.url },
    postgres,
    secrets,
    parameters,
    users,
    logFile: basis.logFile,
    runServerless: (command, more) =>
      runServerless(command, { ...options, params: { ...options.params, ...more } }),
    async deployInRegion(otherRegion, more) {
      await using startedThere = new AsyncDisposableStack()
      const params = { ...basis.params, ...more }
      const deployed = await deployIn(otherRegion, { ...basis, params }, startedThere)
      resources.defer(deployed.stop)
      return deployed
    },
    usersOf: async server => resources.use(await Users.connect(server, secrets, namePrefix)),
    readOutput,
    async rotate(id, { store } = secrets) {
      const start = new StartExecutionCommand({
        stateMachineArn,
        name: randomUUID(),
        input: JSON.stringify({ store, id }),
      })
      return waitForEnd((await stepFunctions.send(start)).executionArn)
    },
    waitForEnd,
    waitForAnnouncements: executionArn =>
      announcements.waitForMessages(({ detail }) => detail.execution === executionArn),
    waitForAlarms: (text, count) => alarms.waitForMessages(({ Message }) => Message.includes(text), count),
    functionLogLines: name => logLinesOf(logs, `/aws/lambda/${STACK_NAME}-${name}`),
    collectWrittenTexts: () => collectWrittenTexts({ stepFunctions, logs, queues: [announcements, alarms] }),
    collectPasswords: () => collectPasswordsIn([secrets, parameters], namePrefix),
    stop: () => resources.disposeAsync(),
  }
}

async function collectPasswordsIn(valueStores: ValueStore[], prefix: string): Promise<string[]> {
  const values = (await Promise.all(valueStores.map(store => store.allVersions(prefix)))).flat()
  return values.filter(value => value).map(value => JSON.parse(value).password)
}

const environmentFor = (url: string, region: string) => ({
  AWS_ENDPOINT_URL: url,
  AWS_REGION: region,
  // Version 1 of the AWS CLI reads this variable instead of AWS_REGION.
  AWS_DEFAULT_REGION: region,
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
})

/** Writes the certificates in these files into CA_FILE. */
function putCertificates(folder: string, files: string[]): void {
  mkdirSync(join(folder, dirname(CA_FILE)), { recursive: true })
  writeFileSync(join(folder, CA_FILE), files.map(file => readFileSync(file, 'utf8')).join('\n'))
}

async function waitForExecutionEnd(
  stepFunctions: SFNClient,
  executionArn: string | undefined,
): Promise<DescribeExecutionOutput> {
  for (;;) {
    const execution = await stepFunctions.send(new DescribeExecutionCommand({ executionArn }))
    if (execution.status !== 'RUNNING') return execution
    await sleep(100)
  }
}

async function outputOf(client: CloudFormationClient, key: string): Promise<string> {
  const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: STACK_NAME }))
  const value = Stacks?.[0]?.Outputs?.find(({ OutputKey }) => OutputKey === key)?.OutputValue
  if (!value) throw new Error(`stack ${STACK_NAME} has no output ${key}`)
  return value
}

/** Makes the queues that receive all events and all alarms. */
async function openQueues(client: Deployed['client'], alarmTopicArn: string) {
  // A queue's URL may name another host than the endpoint, and the SDK would call that one.
  const sqs = new SQSClient({ ...client, useQueueUrlAsEndpoint: false })
  return {
    announcements: await listenToBus(new EventBridgeClient(client), sqs),
    alarms: await listenToTopic(new SNSClient(client), sqs, alarmTopicArn),
  }
}

/** Makes a rule on the event bus and a queue that receives all events of Keyturn. */
async function listenToBus(events: EventBridgeClient, sqs: SQSClient): Promise<Queue<Announcement>> {
  const name = `${STACK_NAME}-announcements`
  const EventPattern = JSON.stringify({ source: ['keyturn'] })
  const { RuleArn = '' } = await events.send(new PutRuleCommand({ Name: name, EventPattern }))
  const queue = await Queue.open<Announcement>(sqs, name, RuleArn)
  await events.send(new PutTargetsCommand({ Rule: name, Targets: [{ Id: 'queue', Arn: queue.arn }] }))
  return queue
}

/** Subscribes a queue to the topic of alarms. */
async function listenToTopic(sns: SNSClient, sqs: SQSClient, TopicArn: string): Promise<Queue<Alarm>> {
  const queue = await Queue.open<Alarm>(sqs, `${STACK_NAME}-told`, TopicArn)
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: queue.arn }))
  return queue
}

/**
 * Finds passwords in clear text in the texts that the local AWS keeps. No password here has a character that JSON would escape.
 * @returns the places of the texts that hold one
 */
export async function findLeaks({ collectWrittenTexts, collectPasswords }: Deployed): Promise<string[]> {
  const passwords = await collectPasswords()
  return [...(await collectWrittenTexts())]
    .filter(([, text]) => passwords.some(password => text.includes(password)))
    .map(([place]) => place)
}
