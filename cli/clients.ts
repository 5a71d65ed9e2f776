import type { CloudFormationClient } from '@aws-sdk/client-cloudformation'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api'
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { SFNClient } from '@aws-sdk/client-sfn'
import type { SSMClient } from '@aws-sdk/client-ssm'
import type { CallFailure } from './awsErrors.ts'

/** Where a command looks: as the AWS command line takes it. */
type Place = { profile?: string | undefined; region?: string | undefined }

/** Milliseconds until a connection stands, and until an answer is there. A call is tried three times. */
const BOUNDS = { connectionTimeout: 3000, requestTimeout: 10_000, throwOnRequestTimeout: true }

/**
 * The clients of AWS. Each is loaded when it is first asked for, so that a command loads no more than it uses. What a
 * command sends it imports in the same way: `const { … } = await import('@aws-sdk/client-…')`.
 */
export class Clients {
  readonly #place: Place
  readonly #made = new Map<string, Promise<unknown>>()
  readonly #elsewhere = new Map<string, Clients>()

  constructor(place: Place) {
    this.#place = place
  }

  /** The clients of another Region. */
  in(region: string): Clients {
    const clients = this.#elsewhere.get(region) ?? new Clients({ ...this.#place, region })
    this.#elsewhere.set(region, clients)
    return clients
  }

  cloudFormation(): Promise<CloudFormationClient> {
    return this.#once('CloudFormation', async settings => {
      const { CloudFormationClient } = await import('@aws-sdk/client-cloudformation')
      return new CloudFormationClient(settings)
    })
  }

  secrets(): Promise<SecretsManagerClient> {
    return this.#once('Secrets Manager', async settings => {
      const { SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager')
      return new SecretsManagerClient(settings)
    })
  }

  parameters(): Promise<SSMClient> {
    return this.#once('Parameter Store', async settings => {
      const { SSMClient } = await import('@aws-sdk/client-ssm')
      return new SSMClient(settings)
    })
  }

  stepFunctions(): Promise<SFNClient> {
    return this.#once('Step Functions', async settings => {
      const { SFNClient } = await import('@aws-sdk/client-sfn')
      return new SFNClient(settings)
    })
  }

  dynamo(): Promise<DynamoDBClient> {
    return this.#once('DynamoDB', async settings => {
      const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb')
      return new DynamoDBClient(settings)
    })
  }

  tagging(): Promise<ResourceGroupsTaggingAPIClient> {
    return this.#once('Resource Groups Tagging API', async settings => {
      const { ResourceGroupsTaggingAPIClient } = await import('@aws-sdk/client-resource-groups-tagging-api')
      return new ResourceGroupsTaggingAPIClient(settings)
    })
  }

  #once<C extends Markable>(service: string, make: (settings: Settings) => Promise<C>): Promise<C> {
    const settings = settingsOf(this.#place, process.env)
    const profile = this.#place.profile ?? process.env.AWS_PROFILE
    const made =
      this.#made.get(service) ?? make(settings).then(client => markErrors(client, { service, profile }))
    this.#made.set(service, made)
    return made as Promise<C>
  }
}

type Settings = ReturnType<typeof settingsOf>

/** Where the SDK would print a warning of its own. */
const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

/**
 * What the SDK would take another way than the AWS command line does: the Region's second variable, and credentials in the
 * environment, which come before AWS_PROFILE, and after --profile.
 */
function settingsOf({ profile, region }: Place, env: NodeJS.ProcessEnv) {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env
  const { AWS_SESSION_TOKEN: sessionToken, AWS_REGION, AWS_DEFAULT_REGION } = env
  const place = region ?? AWS_REGION ?? AWS_DEFAULT_REGION
  const given = !profile && accessKeyId && secretAccessKey
  return {
    requestHandler: BOUNDS,
    logger: silent,
    ...(profile && { profile }),
    ...(place && { region: place }),
    ...(given && { credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } }),
  }
}

/** A variable that is empty is none, as to the AWS command line; the SDK would take it for a value. */
export function dropEmpty(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(env)) if (name.startsWith('AWS_') && env[name] === '') delete env[name]
}

/** Any of the clients: each has types of its own for what it sends. */
type Markable = { middlewareStack: { add(middleware: never, options: never): void } }
type Next = (args: unknown) => Promise<unknown>

/** Has every error of a client say what was called, and with which profile: the SDK's own do not. */
function markErrors<C extends Markable>(client: C, caller: Pick<CallFailure, 'service' | 'profile'>): C {
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
