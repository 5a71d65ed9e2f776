import type { CallFailure } from './awsErrors.ts'

/** The AWS profile and Region of a command, with the meaning that --profile and --region have for the AWS command line. */
type ProfileAndRegion = { profile?: string | undefined; region?: string | undefined }

/** How long a connection and an answer may take, in milliseconds. The SDK tries a call three times, or AWS_MAX_ATTEMPTS times. */
const TIMEOUTS_MS = { connectionTimeout: 3000, requestTimeout: 10_000, throwOnRequestTimeout: true }

/**
 * The SDK's clients, one for each AWS service. Each is loaded when it is first asked for, so that a command loads only those
 * that it uses. For the same reason a command imports the SDK's request classes where it sends them:
 * `const { … } = await import('@aws-sdk/client-…')`.
 */
export class Clients {
  readonly #profileAndRegion: ProfileAndRegion
  readonly #otherRegions = new Map<string, Clients>()

  constructor(profileAndRegion: ProfileAndRegion) {
    this.#profileAndRegion = profileAndRegion
  }

  /** The clients of another Region, with the same profile. */
  forRegion(region: string): Clients {
    const clients = this.#otherRegions.get(region) ?? new Clients({ ...this.#profileAndRegion, region })
    this.#otherRegions.set(region, clients)
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

  /** @returns a function that makes the client at its first call. @param service its name in error messages */
  #lazily<C extends AnyClient>(
    service: string,
    load: () => Promise<new (settings: Settings) => C>,
  ): () => Promise<C> {
    let client: Promise<C> | undefined
    const make = async () => {
      const settings = clientSettings(this.#profileAndRegion, process.env)
      const profile = this.#profileAndRegion.profile ?? process.env.AWS_PROFILE
      const Client = await load()
      return markErrors(new Client(settings), { service, profile })
    }
    return () => {
      client ??= make()
      return client
    }
  }
}

type Settings = ReturnType<typeof clientSettings>

/** Drops the SDK's own warnings, which would mix with the output of the command. */
const silentLogger = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

/**
 * The settings of a client, with the precedence of the AWS command line, from which the SDK differs: AWS_DEFAULT_REGION counts
 * where AWS_REGION is not set, and keys in the environment win over AWS_PROFILE, but not over --profile.
 * @see https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
 */
function clientSettings({ profile, region }: ProfileAndRegion, env: NodeJS.ProcessEnv) {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env
  const { AWS_SESSION_TOKEN: sessionToken, AWS_REGION, AWS_DEFAULT_REGION } = env
  const place = region ?? AWS_REGION ?? AWS_DEFAULT_REGION
  const hasKeys = !profile && accessKeyId && secretAccessKey
  return {
    requestHandler: TIMEOUTS_MS,
    logger: silentLogger,
    ...(profile && { profile }),
    ...(place && { region: place }),
    ...(hasKeys && { credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } }),
  }
}

/** Deletes empty AWS_… variables: the AWS command line ignores those, but the SDK would use them as values. */
export function dropEmptyVariables(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(env)) if (name.startsWith('AWS_') && env[name] === '') delete env[name]
}

/** The part that all clients have in common. The SDK types each client's middleware by its own requests, hence `never`. */
type AnyClient = { middlewareStack: { add(middleware: never, options: never): void } }
type Next = (args: unknown) => Promise<unknown>

/** Adds service, operation and profile to every error of a client: the SDK's errors have none of them. */
function markErrors<C extends AnyClient>(client: C, caller: Pick<CallFailure, 'service' | 'profile'>): C {
  const mark = (next: Next, { commandName = '' }) => {
    const called: Partial<CallFailure> = { ...caller, operation: commandName.replace(/Command$/, '') }
    return (args: unknown) =>
      next(args).catch(error => {
        throw error instanceof Error ? Object.assign(error, called) : error
      })
  }
  const position = { step: 'initialize', priority: 'high', name: 'markErrors' }
  client.middlewareStack.add(mark as never, position as never)
  return client
}
