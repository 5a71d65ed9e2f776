import {
  CreateSecretCommand,
  GetSecretValueCommand,
  paginateListSecrets,
  paginateListSecretVersionIds,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import {
  GetParameterCommand,
  PutParameterCommand,
  paginateGetParameterHistory,
  paginateGetParametersByPath,
  type SSMClient,
} from '@aws-sdk/client-ssm'

type Stage = 'current' | 'pending'

/** Secrets Manager or Parameter Store, as operators and applications use them. */
export interface ValueStore {
  /** The `store` in the input of an execution. */
  readonly store: 'secrets-manager' | 'parameter-store'
  /** Creates a secret or a parameter. @returns its id in the input of an execution: the ARN, or the parameter's name */
  put(name: string, value: string, tags: Record<string, string>): Promise<string>
  /** Reads the value of the current or the pending version. @returns undefined if there is no such version */
  read(id: string, stage: Stage): Promise<string | undefined>
  /** The value of each version of all secrets or parameters whose names begin with `prefix`, which ends with a slash. */
  allVersions(prefix: string): Promise<string[]>
}

/** Secrets Manager. */
export class SecretValueStore implements ValueStore {
  readonly store = 'secrets-manager'
  readonly #client: SecretsManagerClient

  constructor(client: SecretsManagerClient) {
    this.#client = client
  }

  async put(name: string, value: string, tags: Record<string, string>): Promise<string> {
    const command = new CreateSecretCommand({ Name: name, SecretString: value, Tags: tagList(tags) })
    const { ARN = '' } = await this.#client.send(command)
    return ARN
  }

  async read(id: string, stage: Stage): Promise<string | undefined> {
    const VersionStage = stage === 'current' ? 'AWSCURRENT' : 'AWSPENDING'
    const command = new GetSecretValueCommand({ SecretId: id, VersionStage })
    return (await undefinedIfAbsent(this.#client.send(command)))?.SecretString
  }

  async allVersions(prefix: string): Promise<string[]> {
    const values: string[] = []
    const pagination = { client: this.#client }
    const query = { Filters: [{ Key: 'name' as const, Values: [prefix] }] }
    for await (const { SecretList = [] } of paginateListSecrets(pagination, query))
      for (const { ARN: SecretId } of SecretList)
        for await (const { Versions = [] } of paginateListSecretVersionIds(pagination, {
          SecretId,
          IncludeDeprecated: true,
        }))
          for (const { VersionId } of Versions) {
            const command = new GetSecretValueCommand({ SecretId, VersionId })
            // A rotation that Secrets Manager started and that failed early leaves a version without a value.
            values.push((await undefinedIfAbsent(this.#client.send(command)))?.SecretString ?? '')
          }
    return values
  }
}

/** The path under which Keyturn keeps a parameter's pending value and lock: docs/parameter-store.md. */
const pendingPathOf = (name: string) => `/keyturn/pending${name}`

/** Parameter Store. */
export class ParameterValueStore implements ValueStore {
  readonly store = 'parameter-store'
  readonly #client: SSMClient

  constructor(client: SSMClient) {
    this.#client = client
  }

  async put(name: string, value: string, tags: Record<string, string>): Promise<string> {
    const Name = `/${name}`
    const Tags = tagList(tags)
    await this.#client.send(new PutParameterCommand({ Name, Type: 'SecureString', Value: value, Tags }))
    return Name
  }

  async read(id: string, stage: Stage): Promise<string | undefined> {
    if (stage === 'current') return this.#readValue(id)
    const token = await this.#readValue(`${pendingPathOf(id)}/lock`)
    return token && this.#readValue(`${pendingPathOf(id)}/${token}`)
  }

  async allVersions(prefix: string): Promise<string[]> {
    const names = [
      ...(await this.#listUnder(`/${prefix}`)),
      ...(await this.#listUnder(pendingPathOf(`/${prefix}`))),
    ]
    const pagination = { client: this.#client }
    const values: string[] = []
    // A lock holds the token of a rotation and no value.
    for (const Name of names.filter(name => !name.endsWith('/lock')))
      for await (const { Parameters = [] } of paginateGetParameterHistory(pagination, {
        Name,
        WithDecryption: true,
      }))
        values.push(...Parameters.map(({ Value = '' }) => Value))
    return values
  }

  /** The names of all parameters under a path. */
  async #listUnder(path: string): Promise<string[]> {
    const pages = paginateGetParametersByPath({ client: this.#client }, { Path: path, Recursive: true })
    const found = await Array.fromAsync(pages)
    return found.flatMap(({ Parameters = [] }) => Parameters.map(({ Name = '' }) => Name))
  }

  async #readValue(name: string): Promise<string | undefined> {
    const command = new GetParameterCommand({ Name: name, WithDecryption: true })
    return (await undefinedIfAbsent(this.#client.send(command)))?.Parameter?.Value
  }
}

const tagList = (tags: Record<string, string>) => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))

async function undefinedIfAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    const absent = ['ResourceNotFoundException', 'ParameterNotFound']
    if (error instanceof Error && absent.includes(error.name)) return undefined
    throw error
  }
}
