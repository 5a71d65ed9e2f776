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

/** The project, from which `serverless deploy` runs. */
export const projectFolder = join(import.meta.dirname, '../..')

/** Where the servers' certificates are put, in the project's folder: git ignores it, bundle.ts packs it. */
const CA_FILE = '.local/ca.pem'
const STACK_NAME = 'keyturn-local'

/** What the state machine put on the event bus. */
export type Announcement = { 'detail-type': string; detail: { execution: string } }

/** What the topic told. */
export type Alarm = { Subject: string; Message: string }

/** The stack on a local AWS, a database, and the means to watch both. */
export type Deployed = {
  url: string
  region: string
  /** For a shell or a child process: the endpoint, the Region, credentials that are none. */
  env: Record<string, string>
  /** The same, for a client of the SDK. */
  client: { endpoint: string; region: string; credentials: { accessKeyId: string; secretAccessKey: string } }
  stateMachineArn: string
  /** Where announcements and alarms are kept until `announced` and `alarms` take them. */
  queueUrls: { announcements: string; waitForAlarms: string }
  postgres: PostgresServer
  secrets: SecretValueStore
  parameters: ParameterValueStore
  users: Users
  /** The emulator's own log; undefined if it was not started here. */
  logFile: string | undefined
  /** Runs `serverless` once more on the same stack, with further parameters. @returns what it prints */
  runServerless(command: 'deploy' | 'remove', params?: Record<string, string>): Promise<string>
  /**
   * Deploys the same stack, with further parameters, into another Region of the same account. It has queues of its own there,
   * and the same database; it ends with this one.
   */
  deployInRegion(region: string, params?: Record<string, string>): Promise<Deployed>
  /** Makes users in another server, whose certificate `trust` named. */
  usersOf(postgres: PostgresServer): Promise<Users>
  /** An output of the stack. */
  readOutput(key: string): Promise<string>
  /** Rotates a stored value, by default a secret, and waits until its execution has ended. */
  rotate(id: string, shelf?: ValueStore): Promise<DescribeExecutionOutput>
  /** Waits until an execution has ended. */
  waitForEnd(execution: string | undefined): Promise<DescribeExecutionOutput>
  /** Every event that has arrived for an execution, after waiting for the first. */
  waitForAnnouncements(execution: string): Promise<Announcement[]>
  /** Every alarm that has arrived and names `about`, such as an execution, after waiting for the first, or for so many. */
  alarms(about: string, count?: number): Promise<Alarm[]>
  /** What a function has logged so far, by its name in serverless.yml. */
  functionLogLines(name: string): Promise<string[]>
  /** All that AWS has written down, by where: execution histories, log groups, announcements, alarms. */
  collectWrittenTexts(): Promise<Map<string, string>>
  /** The passwords in every version of every secret and parameter of this run. */
  collectPasswords(): Promise<string[]>
  stop(): Promise<void>
}

type Options = {
  region?: string
  /** What is deployed: the project, or a copy of it. */
  folder?: string
  /** What `serverless deploy` gets as --param, besides region and caFile. */
  params?: Record<string, string>
  /** Certificates of further servers, as files. */
  trust?: string[]
  /** Who deploys, if not whoever may do everything: what a shell of theirs has in its environment besides `env`. */
  deployer?: (env: Record<string, string>) => Promise<Record<string, string>>
  /** Is told what begins now. */
  tell?: (step: string) => void
}

/**
 * Deploys the project with `serverless deploy` onto the local AWS at AWS_ENDPOINT_URL; none given: onto a MiniStack that
 * it starts. Both it and the database end when this process does. Undefined, with a warning, where there is neither an
 * endpoint nor Python.
 */
export async function startDeployed({
  region = 'us-east-1',
  folder = projectFolder,
  params = {},
  trust = [],
  deployer = async () => ({}),
  tell = () => {},
}: Options = {}): Promise<Deployed | undefined> {
  const given = process.env.AWS_ENDPOINT_URL
  const bin = given ? undefined : await pythonBin()
  if (!given && !bin) return undefined
  await using started = new AsyncDisposableStack()
  tell(bin ? 'starting MiniStack, a local AWS, and PostgreSQL' : 'starting PostgreSQL')
  const [ministack, postgres] = await Promise.all([bin ? startMiniStack(bin) : undefined, startPostgres()])
  started.defer(() => postgres.stop())
  if (ministack) started.defer(() => ministack.stop())
  putCertificates(folder, [postgres.caFile, ...trust])
  const ground: DeploymentBasis = {
    url: given ?? ministack?.url ?? '',
    logFile: ministack?.logFile,
    postgres,
    folder,
    params: { caFile: CA_FILE, ...params },
    deployer,
    // Names of its own for each run: a local AWS that was there before knows those of earlier ones.
    names: `local-${randomUUID().slice(0, 8)}/`,
    tell,
  }
  // Awaited here, as what was started ends with this function if it fails.
  return await deployIn(region, ground, started)
}

/** What the deployments of one run share, in whichever Region. */
type DeploymentBasis = Pick<Deployed, 'url' | 'logFile' | 'postgres'> & {
  folder: string
  params: Record<string, string>
  deployer: NonNullable<Options['deployer']>
  /** What the names of all stored values begin with. */
  names: string
  tell: (step: string) => void
}

/** Whoever asked for it disposes of what `started` holds if this fails; if not, the deployment does when it stops. */
async function deployIn(
  region: string,
  ground: DeploymentBasis,
  started: AsyncDisposableStack,
): Promise<Deployed> {
  const { url, postgres, folder, names, tell } = ground
  const env = environmentFor(url, region)
  const of = {
    folder,
    params: { region, ...ground.params },
    env: { ...env, ...(await ground.deployer(env)) },
  }
  tell('packing the functions and deploying the stack: serverless deploy --stage local')
  await runServerless('deploy', of)
  tell('making users and queues')

  const client = { endpoint: url, region, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } }
  const secrets = new SecretValueStore(new SecretsManagerClient(client))
  const parameters = new ParameterValueStore(new SSMClient(client))
  const stepFunctions = new SFNClient(client)
  const logs = new CloudWatchLogsClient(client)
  const output = (key: string) => outputOf(new CloudFormationClient(client), key)
  const stateMachineArn = await output('RotateStateMachineArn')
  // A queue's own URL may name a host that is not the endpoint's.
  const sqs = new SQSClient({ ...client, useQueueUrlAsEndpoint: false })
  const announcements = await listenToBus(new EventBridgeClient(client), sqs)
  const alarms = await listenToTopic(new SNSClient(client), sqs, await output('AlarmTopicArn'))
  const users = started.use(await Users.connect(postgres, secrets, names))
  const all = started.move()
  const ended = (execution: string | undefined) => waitForExecutionEnd(stepFunctions, execution)

  return {
    url,
    region,
    env,
    client,
    stateMachineArn,
    queueUrls: { announcements: announcements.url, waitForAlarms: alarms.url },
    postgres,
    secrets,
    parameters,
    users,
    logFile: ground.logFile,
    runServerless: (command, more) => runServerless(command, { ...of, params: { ...of.params, ...more } }),
    async deployInRegion(other, more) {
      await using begun = new AsyncDisposableStack()
      const there = await deployIn(other, { ...ground, params: { ...ground.params, ...more } }, begun)
      all.defer(there.stop)
      return there
    },
    usersOf: async server => all.use(await Users.connect(server, secrets, names)),
    readOutput: output,
    async rotate(id, { store } = secrets) {
      const start = new StartExecutionCommand({
        stateMachineArn,
        name: randomUUID(),
        input: JSON.stringify({ store, id }),
      })
      return ended((await stepFunctions.send(start)).executionArn)
    },
    waitForEnd: ended,
    waitForAnnouncements: execution =>
      announcements.waitForMessages(({ detail }) => detail.execution === execution),
    alarms: (about, count) => alarms.waitForMessages(({ Message }) => Message.includes(about), count),
    functionLogLines: name => logLinesOf(logs, `/aws/lambda/${STACK_NAME}-${name}`),
    collectWrittenTexts: () => collectWrittenTexts({ stepFunctions, logs, queues: [announcements, alarms] }),
    collectPasswords: () => collectPasswordsIn([secrets, parameters], names),
    stop: () => all.disposeAsync(),
  }
}

async function collectPasswordsIn(shelves: ValueStore[], prefix: string): Promise<string[]> {
  const values = (await Promise.all(shelves.map(shelf => shelf.allVersions(prefix)))).flat()
  return values.filter(value => value).map(value => JSON.parse(value).password)
}

const environmentFor = (url: string, region: string) => ({
  AWS_ENDPOINT_URL: url,
  AWS_REGION: region,
  // What version 1 of the command line reads.
  AWS_DEFAULT_REGION: region,
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
})

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
  const found = Stacks?.[0]?.Outputs?.find(({ OutputKey }) => OutputKey === key)?.OutputValue
  if (!found) throw new Error(`stack ${STACK_NAME} has no output ${key}`)
  return found
}

/** A queue that gets all that Keyturn announces, as an operator's own would. */
async function listenToBus(events: EventBridgeClient, sqs: SQSClient): Promise<Queue<Announcement>> {
  const name = `${STACK_NAME}-announcements`
  const EventPattern = JSON.stringify({ source: ['keyturn'] })
  const { RuleArn = '' } = await events.send(new PutRuleCommand({ Name: name, EventPattern }))
  const queue = await Queue.open<Announcement>(sqs, name, RuleArn)
  await events.send(new PutTargetsCommand({ Rule: name, Targets: [{ Id: 'queue', Arn: queue.arn }] }))
  return queue
}

/** A queue that is told every alarm, as whoever is on call. */
async function listenToTopic(sns: SNSClient, sqs: SQSClient, TopicArn: string): Promise<Queue<Alarm>> {
  const queue = await Queue.open<Alarm>(sqs, `${STACK_NAME}-told`, TopicArn)
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: queue.arn }))
  return queue
}

/** Where a password is written down in clear text. AWS's default rules make none that JSON would have to escape. */
export async function findLeaks({ collectWrittenTexts, collectPasswords }: Deployed): Promise<string[]> {
  const secret = await collectPasswords()
  return [...(await collectWrittenTexts())]
    .filter(([, text]) => secret.some(password => text.includes(password)))
    .map(([place]) => place)
}
