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

/** Secrets Manager or Parameter Store, as those use it who do not rotate: operators and applications. */
export interface ValueStore {
  /** What an execution's input calls it. */
  readonly store: 'secrets-manager' | 'parameter-store'
  /** @returns the id that it rotates under */
  put(name: string, value: string, tags: Record<string, string>): Promise<string>
  /** Undefined if no version is at this stage. */
  read(id: string, stage: Stage): Promise<string | undefined>
  /** Every version of all whose names begin with `prefix`, which ends with a slash. */
  allVersions(prefix: string): Promise<string[]>
}

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
    const paged = { client: this.#client }
    const query = { Filters: [{ Key: 'name' as const, Values: [prefix] }] }
    for await (const { SecretList = [] } of paginateListSecrets(paged, query))
      for (const { ARN: SecretId } of SecretList)
        for await (const { Versions = [] } of paginateListSecretVersionIds(paged, {
          SecretId,
          IncludeDeprecated: true,
        }))
          for (const { VersionId } of Versions) {
            const command = new GetSecretValueCommand({ SecretId, VersionId })
            // A rotation that failed before it wrote one leaves a version without a value.
            values.push((await undefinedIfAbsent(this.#client.send(command)))?.SecretString ?? '')
          }
    return values
  }
}

/** Keyturn keeps what is pending beside a parameter: docs/parameter-store.md. */
const pendingOf = (name: string) => `/keyturn/pending${name}`

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
    if (stage === 'current') return this.#value(id)
    const token = await this.#value(`${pendingOf(id)}/lock`)
    return token && this.#value(`${pendingOf(id)}/${token}`)
  }

  async allVersions(prefix: string): Promise<string[]> {
    const names = [...(await this.#under(`/${prefix}`)), ...(await this.#under(pendingOf(`/${prefix}`)))]
    const paged = { client: this.#client }
    const values: string[] = []
    // A lock holds the token of a rotation and no value.
    for (const Name of names.filter(name => !name.endsWith('/lock')))
      for await (const { Parameters = [] } of paginateGetParameterHistory(paged, {
        Name,
        WithDecryption: true,
      }))
        values.push(...Parameters.map(({ Value = '' }) => Value))
    return values
  }

  async #under(path: string): Promise<string[]> {
    const pages = paginateGetParametersByPath({ client: this.#client }, { Path: path, Recursive: true })
    const found = await Array.fromAsync(pages)
    return found.flatMap(({ Parameters = [] }) => Parameters.map(({ Name = '' }) => Name))
  }

  async #value(name: string): Promise<string | undefined> {
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
