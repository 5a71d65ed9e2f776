import {
  DeleteParametersCommand,
  GetParameterCommand,
  LabelParameterVersionCommand,
  ListTagsForResourceCommand,
  type ParameterHistory,
  PutParameterCommand,
  type PutParameterCommandInput,
  paginateGetParameterHistory,
  paginateGetParametersByPath,
  type SSMClient,
  UnlabelParameterVersionCommand,
} from '@aws-sdk/client-ssm'
import { InvalidCredential, StoreFailed } from '../errors.ts'
import { type Tags, tagsIn } from '../tags.ts'
import { isNamed, translate } from './awsErrors.ts'
import { refusedPut } from './parameterLimits.ts'

/** A parameter's versions, oldest first. One that exists has one. */
export type Versions = [ParameterHistory, ...ParameterHistory[]]

/**
 * What Parameter Store can be asked: a method for each kind of call, which throws in our terms and knows nothing of
 * rotations. What a rotation makes of these calls is in ParameterStore.
 */
export class ParameterCalls {
  readonly #client: SSMClient

  constructor(client: SSMClient) {
    this.#client = client
  }

  /** All but the values. */
  async history(id: string): Promise<Versions> {
    const pages = paginateGetParameterHistory({ client: this.#client, pageSize: 50 }, { Name: id })
    const found = await known(id, Array.fromAsync(pages))
    const [oldest, ...rest] = found.flatMap(({ Parameters = [] }) => Parameters)
    if (!oldest) throw absent(id)
    return [oldest, ...rest]
  }

  async tags(id: string): Promise<Tags> {
    const command = new ListTagsForResourceCommand({ ResourceType: 'Parameter', ResourceId: id })
    return tagsIn((await known(id, this.#client.send(command))).TagList)
  }

  /** The decrypted text of any parameter; undefined if there is no such parameter or version. */
  async value(name: string): Promise<string | undefined> {
    try {
      const { Parameter } = await this.#client.send(
        new GetParameterCommand({ Name: name, WithDecryption: true }),
      )
      return Parameter?.Value
    } catch (error) {
      if (isNamed(error, 'ParameterNotFound', 'ParameterVersionNotFound')) return undefined
      throw translated(error)
    }
  }

  /** The names of the parameters right under a path, and since when each is there (in milliseconds). */
  async under(id: string, path: string): Promise<{ name: string; date: number }[]> {
    const pages = paginateGetParametersByPath({ client: this.#client, pageSize: 10 }, { Path: path })
    const found = await known(id, Array.fromAsync(pages))
    return found
      .flatMap(({ Parameters = [] }) => Parameters)
      .map(entry => ({ name: entry.Name ?? '', date: dateOf(entry) }))
  }

  /**
   * Makes a parameter. `like` is the one that its value is to become a version of, and a refusal is told in its words.
   * @returns false if there is one of this name
   */
  async create(
    parameter: Omit<PutParameterCommandInput, 'Overwrite'>,
    like?: ParameterHistory,
  ): Promise<boolean> {
    try {
      await this.#client.send(new PutParameterCommand({ ...parameter, Overwrite: false }))
      return true
    } catch (error) {
      if (isNamed(error, 'ParameterAlreadyExists')) return false
      throw inWords(error, like)
    }
  }

  /** One more version that differs from `like` in nothing but the value. @returns its number */
  async overwrite(id: string, like: ParameterHistory, Value: string): Promise<number> {
    const { Type, KeyId, Tier, DataType, Description, AllowedPattern, Policies = [] } = like
    const kept = { Type, KeyId: Type === 'SecureString' ? KeyId : undefined, Tier, DataType, AllowedPattern }
    const policies = Policies.length && `[${Policies.map(({ PolicyText }) => PolicyText).join()}]`
    const input: PutParameterCommandInput = { ...kept, Description, Name: id, Value, Overwrite: true }
    try {
      const { Version } = await this.#client.send(
        new PutParameterCommand({ ...input, ...(policies && { Policies: policies }) }),
      )
      return Version ?? 0
    } catch (error) {
      if (isNamed(error, 'ParameterMaxVersionLimitExceeded'))
        throw new StoreFailed('Parameter Store: the oldest of 100 versions has a label; move or remove it')
      throw inWords(error, like)
    }
  }

  /** @throws LabelsFull */
  async label(id: string, version: number, ...labels: string[]): Promise<void> {
    const which = { Name: id, ParameterVersion: version, Labels: labels }
    try {
      const { InvalidLabels = [] } = await this.#client.send(new LabelParameterVersionCommand(which))
      if (InvalidLabels.length) throw new StoreFailed(`Parameter Store: refused the label ${InvalidLabels}`)
    } catch (error) {
      if (isNamed(error, 'ParameterVersionLabelLimitExceeded'))
        throw new LabelsFull(`Parameter Store: version ${version} has ten labels; take one of yours off`)
      throw notFound(id, error)
    }
  }

  async unlabel(id: string, version: number | undefined, labels: string[]): Promise<void> {
    const which = { Name: id, ParameterVersion: version, Labels: labels }
    await known(id, this.#client.send(new UnlabelParameterVersionCommand(which)))
  }

  /** Ten at a time, as Parameter Store wants it. Absent is success. */
  async delete(...names: string[]): Promise<void> {
    for (let start = 0; start < names.length; start += 10) {
      const Names = names.slice(start, start + 10)
      await known('', this.#client.send(new DeleteParametersCommand({ Names })))
    }
  }
}

/** The version has as many labels as it can have. */
export class LabelsFull extends StoreFailed {}

/** When a version was made, or a parameter written last, in milliseconds. */
export const dateOf = ({ LastModifiedDate }: { LastModifiedDate?: Date | undefined }) =>
  Number(LastModifiedDate)

async function known<T>(id: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw notFound(id, error)
  }
}

function absent(id: string): InvalidCredential {
  return new InvalidCredential('id', `there is no parameter ${id} in this account and Region`)
}

function notFound(id: string, error: unknown): unknown {
  return isNamed(error, 'ParameterNotFound', 'InvalidResourceId') ? absent(id) : translated(error)
}

/** What the put of a value was answered, if it is for `like` in the words of what that one is. */
function inWords(error: unknown, like: ParameterHistory | undefined): unknown {
  return (like && error instanceof Error && refusedPut(error, like)) || translated(error)
}

function translated(error: unknown): unknown {
  return translate('Parameter Store', error)
}
