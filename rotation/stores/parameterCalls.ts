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
import { callAws } from '../callAws.ts'
import { InvalidCredential, StoreFailed } from '../errors.ts'
import { type Tags, tagsIn } from '../tags.ts'
import { putErrorHandlers } from './parameterLimits.ts'

/** A parameter's versions, oldest first. A parameter that exists has at least one. */
export type ParameterVersions = [ParameterHistory, ...ParameterHistory[]]

/**
 * The calls of Parameter Store: a method for each kind of call. Errors of the service are translated to RotationErrors. Every
 * method may throw InvalidCredential for a parameter that does not exist, NotPermitted, Throttled and StoreFailed.
 * ParameterStore makes rotations out of these calls.
 */
export class ParameterCalls {
  readonly #client: SSMClient

  constructor(client: SSMClient) {
    this.#client = client
  }

  /** Reads every version with its labels and policies. The values in them stay encrypted. */
  async readHistory(id: string): Promise<ParameterVersions> {
    const pages = paginateGetParameterHistory({ client: this.#client, pageSize: 50 }, { Name: id })
    const found = await callAws('Parameter Store', () => Array.fromAsync(pages), absentHandlers(id))
    const [oldest, ...rest] = found.flatMap(({ Parameters = [] }) => Parameters)
    if (!oldest) return throwAbsent(id)
    return [oldest, ...rest]
  }

  async readTags(id: string): Promise<Tags> {
    const command = new ListTagsForResourceCommand({ ResourceType: 'Parameter', ResourceId: id })
    return tagsIn(
      (await callAws('Parameter Store', () => this.#client.send(command), absentHandlers(id))).TagList,
    )
  }

  /** The decrypted text of any parameter; undefined if there is no such parameter or version. */
  async readValue(name: string): Promise<string | undefined> {
    const command = new GetParameterCommand({ Name: name, WithDecryption: true })
    const found = await callAws('Parameter Store', () => this.#client.send(command), {
      ParameterNotFound: () => undefined,
      ParameterVersionNotFound: () => undefined,
    })
    return found?.Parameter?.Value
  }

  /** The names of the parameters directly under a path, and when each was written last, in milliseconds since 1970. */
  async listUnder(id: string, path: string): Promise<{ name: string; date: number }[]> {
    const pages = paginateGetParametersByPath({ client: this.#client, pageSize: 10 }, { Path: path })
    const found = await callAws('Parameter Store', () => Array.fromAsync(pages), absentHandlers(id))
    return found
      .flatMap(({ Parameters = [] }) => Parameters)
      .map(entry => ({ name: entry.Name ?? '', date: dateOf(entry) }))
  }

  /**
   * Creates a parameter.
   * @param like the newest version of the parameter that rotates, if the value is meant for that one: errors then name what is
   *   wrong there
   * @returns false if a parameter of this name exists
   */
  async create(
    parameter: Omit<PutParameterCommandInput, 'Overwrite'>,
    like?: ParameterHistory,
  ): Promise<boolean> {
    const command = new PutParameterCommand({ ...parameter, Overwrite: false })
    const made = await callAws('Parameter Store', () => this.#client.send(command), {
      ...(like && putErrorHandlers(like)),
      ParameterAlreadyExists: () => undefined,
    })
    return made !== undefined
  }

  /** Writes a new version with the value `Value` and everything else as in `like`. @returns the number of the new version */
  async overwrite(id: string, like: ParameterHistory, Value: string): Promise<number> {
    const { Type, KeyId, Tier, DataType, Description, AllowedPattern, Policies = [] } = like
    const kept = { Type, KeyId: Type === 'SecureString' ? KeyId : undefined, Tier, DataType, AllowedPattern }
    const policies = Policies.length && `[${Policies.map(({ PolicyText }) => PolicyText).join()}]`
    const input: PutParameterCommandInput = { ...kept, Description, Name: id, Value, Overwrite: true }
    const command = new PutParameterCommand({ ...input, ...(policies && { Policies: policies }) })
    const { Version } = await callAws('Parameter Store', () => this.#client.send(command), {
      ...putErrorHandlers(like),
      ParameterMaxVersionLimitExceeded() {
        throw new StoreFailed('Parameter Store: the oldest of 100 versions has a label; move or remove it')
      },
    })
    return Version ?? 0
  }

  /** Attaches labels to a version. A label that another version has moves from there. @throws LabelsFull */
  async label(id: string, version: number, ...labels: string[]): Promise<void> {
    const which = { Name: id, ParameterVersion: version, Labels: labels }
    const command = new LabelParameterVersionCommand(which)
    const { InvalidLabels = [] } = await callAws('Parameter Store', () => this.#client.send(command), {
      ...absentHandlers(id),
      ParameterVersionLabelLimitExceeded() {
        throw new LabelsFull(`Parameter Store: version ${version} has ten labels; take one of yours off`)
      },
    })
    if (InvalidLabels.length) throw new StoreFailed(`Parameter Store: refused the label ${InvalidLabels}`)
  }

  /** Takes labels off a version. */
  async unlabel(id: string, version: number | undefined, labels: string[]): Promise<void> {
    const which = { Name: id, ParameterVersion: version, Labels: labels }
    const command = new UnlabelParameterVersionCommand(which)
    await callAws('Parameter Store', () => this.#client.send(command), absentHandlers(id))
  }

  /**
   * Deletes parameters, ten in a call, which is the maximum. A parameter that does not exist is success.
   * https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameters.html
   */
  async delete(...names: string[]): Promise<void> {
    for (let start = 0; start < names.length; start += 10) {
      const command = new DeleteParametersCommand({ Names: names.slice(start, start + 10) })
      await callAws('Parameter Store', () => this.#client.send(command))
    }
  }
}

/** The version has ten labels, as many as Parameter Store allows. */
export class LabelsFull extends StoreFailed {}

/** When a version was made, or a parameter was written last, in milliseconds since 1970. NaN if the service does not tell. */
export const dateOf = ({ LastModifiedDate }: { LastModifiedDate?: Date | undefined }) =>
  Number(LastModifiedDate)

function throwAbsent(id: string): never {
  throw new InvalidCredential('id', `there is no parameter ${id} in this account and Region`)
}

/** The handlers for a call that needs the parameter to exist. */
const absentHandlers = (id: string) => ({
  ParameterNotFound: () => throwAbsent(id),
  InvalidResourceId: () => throwAbsent(id),
})
