import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation'
import {
  CloudWatchLogsClient,
  paginateDescribeLogGroups,
  paginateFilterLogEvents,
} from '@aws-sdk/client-cloudwatch-logs'
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import {
  GetSecretValueCommand,
  paginateListSecrets,
  paginateListSecretVersionIds,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import {
  DescribeExecutionCommand,
  type DescribeExecutionOutput,
  paginateGetExecutionHistory,
  paginateListExecutions,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn'
import { startMiniStack, withoutAws } from './ministack.ts'
import { type PostgresServer, startPostgres } from './postgres.ts'
import { pythonBin } from './python.ts'
import { Users } from './users.ts'

/** The project, from which `serverless deploy` runs. */
export const project = join(import.meta.dirname, '..')
const osls = join(project, 'node_modules/serverless/bin/serverless.js')

/** Where the server's certificate is put, in the project's folder: git ignores it, bundle.ts packs it. */
const caFile = '.local/ca.pem'
const region = 'us-east-1'
const stackName = 'keyturn-local'
/** Name of the rule and of the queue that keep what is announced. */
const listener = 'keyturn-local-announcements'

/** What the state machine put on the event bus. */
export type Announcement = { 'detail-type': string; detail: { execution: string } }

/** The stack on a local AWS, a database, and the means to watch both. */
export type Deployed = {
  url: string
  /** For a shell or a child process: the endpoint, the Region, credentials that are none. */
  env: Record<string, string>
  stateMachineArn: string
  queueUrl: string
  postgres: PostgresServer
  secrets: SecretsManagerClient
  users: Users
  /** The emulator's own log; undefined if it was not started here. */
  logFile: string | undefined
  /** Rotates a secret and waits until its execution has ended. */
  rotate(id: string): Promise<DescribeExecutionOutput>
  /** Every event that has arrived for an execution, after waiting for the first. */
  announced(execution: string): Promise<Announcement[]>
  /** All that AWS has written down, by where: execution histories, log groups, announcements. */
  written(): Promise<Map<string, string>>
  /** The passwords in every version of every secret of this run. */
  passwords(): Promise<string[]>
  stop(): Promise<void>
}

/**
 * Deploys `folder` with `serverless deploy` onto the local AWS at AWS_ENDPOINT_URL; none given: onto a MiniStack that it
 * starts. Both it and the database end when this process does. Undefined, with a warning, where there is neither an
 * endpoint nor Python.
 */
export async function startDeployed(folder = project): Promise<Deployed | undefined> {
  const given = process.env.AWS_ENDPOINT_URL
  const bin = given ? undefined : await pythonBin()
  if (!given && !bin) return undefined
  await using started = new AsyncDisposableStack()
  const [ministack, postgres] = await Promise.all([bin ? startMiniStack(bin) : undefined, startPostgres()])
  started.defer(() => postgres.stop())
  if (ministack) started.defer(() => ministack.stop())
  const url = given ?? ministack?.url ?? ''
  const env = {
    AWS_ENDPOINT_URL: url,
    AWS_REGION: region,
    // What version 1 of the command line reads.
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  }
  await deploy(folder, postgres.caFile, env)

  const client = { endpoint: url, region, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } }
  const secrets = new SecretsManagerClient(client)
  const stepFunctions = new SFNClient(client)
  const stateMachineArn = await output(new CloudFormationClient(client), 'RotateStateMachineArn')
  const queue = await listen(new EventBridgeClient(client), env)
  // Names of its own for each run: a local AWS that was there before knows those of earlier ones.
  const names = `local-${randomUUID().slice(0, 8)}/`
  const users = await Users.of(postgres, secrets, names)
  started.defer(() => users[Symbol.asyncDispose]())
  const all = started.move()

  return {
    url,
    env,
    stateMachineArn,
    queueUrl: queue.url,
    postgres,
    secrets,
    users,
    logFile: ministack?.logFile,
    async rotate(id) {
      const input = JSON.stringify({ store: 'secrets-manager', id })
      const start = new StartExecutionCommand({ stateMachineArn, name: randomUUID(), input })
      const { executionArn } = await stepFunctions.send(start)
      for (;;) {
        const execution = await stepFunctions.send(new DescribeExecutionCommand({ executionArn }))
        if (execution.status !== 'RUNNING') return execution
        await sleep(100)
      }
    },
    async announced(execution) {
      const mine = () => queue.received.filter(({ detail }) => detail.execution === execution)
      for (let tries = 0; tries < 20 && !mine().length; tries++) await queue.receive()
      return mine()
    },
    async written() {
      const places = new Map<string, string>()
      const paged = { client: stepFunctions }
      for await (const { executions = [] } of paginateListExecutions(paged, { stateMachineArn }))
        for (const { executionArn } of executions) {
          const pages = paginateGetExecutionHistory(paged, { executionArn, includeExecutionData: true })
          places.set(`${executionArn}`, JSON.stringify(await Array.fromAsync(pages)))
        }
      const logs = { client: new CloudWatchLogsClient(client) }
      for await (const { logGroups = [] } of paginateDescribeLogGroups(logs, {}))
        for (const { logGroupName } of logGroups)
          places.set(
            `${logGroupName}`,
            JSON.stringify(await Array.fromAsync(paginateFilterLogEvents(logs, { logGroupName }))),
          )
      await queue.receive()
      places.set(queue.url, JSON.stringify(queue.received))
      return places
    },
    async passwords() {
      const passwords: string[] = []
      const paged = { client: secrets }
      const Filters = [{ Key: 'name' as const, Values: [names] }]
      for await (const { SecretList = [] } of paginateListSecrets(paged, { Filters }))
        for (const { ARN: SecretId } of SecretList)
          for await (const { Versions = [] } of paginateListSecretVersionIds(paged, {
            SecretId,
            IncludeDeprecated: true,
          }))
            for (const { VersionId } of Versions) {
              const value = await secrets.send(new GetSecretValueCommand({ SecretId, VersionId }))
              passwords.push(JSON.parse(value.SecretString ?? '').password)
            }
      return passwords
    },
    stop: () => all.disposeAsync(),
  }
}

/** The deploy that README.md shows, but for the stage, the endpoint and whom to trust. */
async function deploy(folder: string, certificate: string, env: Record<string, string>): Promise<void> {
  mkdirSync(join(folder, dirname(caFile)), { recursive: true })
  copyFileSync(certificate, join(folder, caFile))
  const parameters = Object.entries({ region, caFile }).map(([name, value]) => `--param=${name}=${value}`)
  await promisify(execFile)(process.execPath, [osls, 'deploy', '--stage', 'local', ...parameters], {
    cwd: folder,
    env: {
      ...withoutAws(process.env),
      ...env,
      // No profile of the user's may send it elsewhere.
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      // Milliseconds between two looks at the stack: a local one is there in no time.
      SLS_AWS_MONITORING_FREQUENCY: '200',
    },
  })
}

async function output(client: CloudFormationClient, key: string): Promise<string> {
  const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: stackName }))
  const found = Stacks?.[0]?.Outputs?.find(({ OutputKey }) => OutputKey === key)?.OutputValue
  if (!found) throw new Error(`stack ${stackName} has no output ${key}`)
  return found
}

/** A queue that gets all that Keyturn announces, as an operator's own would. */
async function listen(events: EventBridgeClient, env: Record<string, string>) {
  const { QueueUrl } = await sqs<{ QueueUrl: string }>(env, 'CreateQueue', { QueueName: listener })
  const { Attributes } = await sqs<{ Attributes: { QueueArn: string } }>(env, 'GetQueueAttributes', {
    QueueUrl,
    AttributeNames: ['QueueArn'],
  })
  await events.send(
    new PutRuleCommand({ Name: listener, EventPattern: JSON.stringify({ source: ['keyturn'] }) }),
  )
  const target = { Id: 'queue', Arn: Attributes.QueueArn }
  await events.send(new PutTargetsCommand({ Rule: listener, Targets: [target] }))
  const received: Announcement[] = []
  return {
    url: QueueUrl,
    received,
    async receive(): Promise<void> {
      type Message = { Body: string; ReceiptHandle: string }
      const { Messages = [] } = await sqs<{ Messages?: Message[] }>(env, 'ReceiveMessage', {
        QueueUrl,
        MaxNumberOfMessages: 10,
        WaitTimeSeconds: 1,
      })
      for (const { Body, ReceiptHandle } of Messages) {
        received.push(JSON.parse(Body))
        await sqs(env, 'DeleteMessage', { QueueUrl, ReceiptHandle })
      }
    },
  }
}

/** One call of SQS. Its client is not worth a dependency; a local AWS reads the service from the header, and no signature. */
async function sqs<Output>(env: Record<string, string>, action: string, input: object): Promise<Output> {
  const response = await fetch(env.AWS_ENDPOINT_URL ?? '', {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': `AmazonSQS.${action}`,
      authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${region}/sqs/aws4_request, SignedHeaders=host, Signature=0`,
    },
    body: JSON.stringify(input),
  })
  if (!response.ok) throw new Error(`SQS ${action}: ${response.status} ${await response.text()}`)
  return JSON.parse((await response.text()) || '{}')
}

/** Where a password is written down in clear text. AWS's default rules make none that JSON would have to escape. */
export async function leaks({ written, passwords }: Deployed): Promise<string[]> {
  const secret = await passwords()
  return [...(await written())]
    .filter(([, text]) => secret.some(password => text.includes(password)))
    .map(([place]) => place)
}
