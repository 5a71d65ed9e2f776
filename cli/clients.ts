import type { CallFailure } from './awsErrors.ts'

/** Where a command looks: as the AWS command line takes it. */
type ProfileAndRegion = { profile?: string | undefined; region?: string | undefined }

/** Milliseconds until a connection stands, and until an answer is there. A call is tried three times. */
const TIMEOUTS_MS = { connectionTimeout: 3000, requestTimeout: 10_000, throwOnRequestTimeout: true }

/**
 * The clients of AWS. Each is loaded when it is first asked for, so that a command loads no more than it uses. What a
 * command sends it imports in the same way: `const { … } = await import('@aws-sdk/client-…')`.
 */
export class Clients {
  readonly #place: ProfileAndRegion
  readonly #elsewhere = new Map<string, Clients>()

  constructor(place: ProfileAndRegion) {
    this.#place = place
  }

  /** The clients of another Region. */
  forRegion(region: string): Clients {
    const clients = this.#elsewhere.get(region) ?? new Clients({ ...this.#place, region })
    this.#elsewhere.set(region, clients)
    return clients
  }

  readonly cloudFormation = this.#lazily(
    'CloudFormation',
    async () => (await import('@aws-sdk/client-cloudformation')).CloudFormationClient,
  )
  readonly secrets = this.#lazily(
    'Secrets Manager',
    async () => (await import('@aws-sdk/client-secrets-manager')).SecretsManagerClient,
  )
  readonly parameters = this.#lazily(
    'Parameter Store',
    async () => (await import('@aws-sdk/client-ssm')).SSMClient,
  )
  readonly stepFunctions = this.#lazily(
    'Step Functions',
    async () => (await import('@aws-sdk/client-sfn')).SFNClient,
  )
  readonly dynamo = this.#lazily(
    'DynamoDB',
    async () => (await import('@aws-sdk/client-dynamodb')).DynamoDBClient,
  )
  readonly tagging = this.#lazily(
    'Resource Groups Tagging API',
    async () => (await import('@aws-sdk/client-resource-groups-tagging-api')).ResourceGroupsTaggingAPIClient,
  )
  readonly lambda = this.#lazily('Lambda', async () => (await import('@aws-sdk/client-lambda')).LambdaClient)
  readonly cloudTrail = this.#lazily(
    'CloudTrail',
    async () => (await import('@aws-sdk/client-cloudtrail')).CloudTrailClient,
  )
  readonly accessAnalyzer = this.#lazily(
    'Access Analyzer',
    async () => (await import('@aws-sdk/client-accessanalyzer')).AccessAnalyzerClient,
  )
  readonly sns = this.#lazily('SNS', async () => (await import('@aws-sdk/client-sns')).SNSClient)
  readonly pricing = this.#lazily(
    'Price List',
    async () => (await import('@aws-sdk/client-pricing')).PricingClient,
  )
  readonly events = this.#lazily(
    'EventBridge',
    async () => (await import('@aws-sdk/client-eventbridge')).EventBridgeClient,
  )
  readonly scheduler = this.#lazily(
    'EventBridge Scheduler',
    async () => (await import('@aws-sdk/client-scheduler')).SchedulerClient,
  )
  readonly sqs = this.#lazily('SQS', async () => (await import('@aws-sdk/client-sqs')).SQSClient)
  readonly cloudWatch = this.#lazily(
    'CloudWatch',
    async () => (await import('@aws-sdk/client-cloudwatch')).CloudWatchClient,
  )

  /** The service's name is what an error says was called. */
  #lazily<C extends AnyClient>(
    service: string,
    load: () => Promise<new (settings: Settings) => C>,
  ): () => Promise<C> {
    let made: Promise<C> | undefined
    const make = async () => {
      const settings = clientSettings(this.#place, process.env)
      const profile = this.#place.profile ?? process.env.AWS_PROFILE
      const Client = await load()
      return markErrors(new Client(settings), { service, profile })
    }
    return () => {
      made ??= make()
      return made
    }
  }
}

type Settings = ReturnType<typeof clientSettings>

/** Where the SDK would print a warning of its own. */
const silentLogger = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

/**
 * What the SDK would take another way than the AWS command line does: the Region's second variable, and credentials in the
 * environment, which come before AWS_PROFILE, and after --profile.
 */
function clientSettings({ profile, region }: ProfileAndRegion, env: NodeJS.ProcessEnv) {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env
  const { AWS_SESSION_TOKEN: sessionToken, AWS_REGION, AWS_DEFAULT_REGION } = env
  const place = region ?? AWS_REGION ?? AWS_DEFAULT_REGION
  const given = !profile && accessKeyId && secretAccessKey
  return {
    requestHandler: TIMEOUTS_MS,
    logger: silentLogger,
    ...(profile && { profile }),
    ...(place && { region: place }),
    ...(given && { credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } }),
  }
}

/** A variable that is empty is none, as to the AWS command line; the SDK would take it for a value. */
export function dropEmptyVariables(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(env)) if (name.startsWith('AWS_') && env[name] === '') delete env[name]
}

/** Any of the clients: each has types of its own for what it sends. */
type AnyClient = { middlewareStack: { add(middleware: never, options: never): void } }
type Next = (args: unknown) => Promise<unknown>

/** Has every error of a client say what was called, and with which profile: the SDK's own do not. */
function markErrors<C extends AnyClient>(client: C, caller: Pick<CallFailure, 'service' | 'profile'>): C {
  const mark = (next: Next, { commandName = '' }) => {
    const called: Partial<CallFailure> = { ...caller, operation: commandName.replace(/Command$/, '') }
    return (args: unknown) =>
      next(args).catch(error => {
        throw error instanceof Error ? Object.assign(error, called) : error
      })
  }
  const place = { step: 'initialize', priority: 'high', name: 'markErrors' }
  client.middlewareStack.add(mark as never, place as never)
  return client
}
