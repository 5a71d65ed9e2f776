import { type ParameterHistory, SSMClient, type SSMClientConfig } from '@aws-sdk/client-ssm'
import { isAwsManagedKey } from '../arn.ts'
import { Credential, type ValueParser } from '../credential.ts'
import { Conflict, RotationInProgress, Superseded, TokenReused } from '../errors.ts'
import { dateOf, LabelsFull, ParameterCalls, type ParameterVersions } from './parameterCalls.ts'
import { findObstacle, refuseTooLong, requireParameterName } from './parameterLimits.ts'
import {
  isKeyturnLabel,
  lockNameOf,
  pendingNameOf,
  pendingPathOf,
  TOKEN_LABEL_PREFIX,
  tokenLabelOf,
  tokenOf,
} from './parameterNames.ts'
import { type Description, olderTokenMessage, type Stage, type Store, type Version } from './store.ts'

/** How many of the newest versions keep Keyturn's labels. Of its 100 versions, Parameter Store cannot drop a labelled one. */
const LABELLED_VERSIONS_COUNT = 50

/** Milliseconds for which a discarded value is kept: a day. No step of its rotation can still run after that. */
const DISCARDED_KEPT_MS = 86_400_000

/** How often a method starts over because somebody else was faster. Then it fails, and is retried. */
const MAX_ROUNDS_COUNT = 3

/** What is known of a parameter without its value. */
type Parameter = {
  versions: ParameterVersions
  newest: ParameterHistory
  /** The token of the newest version. */
  current: string
  /** The token in the lock. Once a promotion has written its version, `current` is the same token, until the lock is removed. */
  pending: string | undefined
}

/**
 * The store for SSM Parameter Store. Applications read the newest version of a parameter at once, so a pending value is kept in
 * another parameter:
 *
 * - `/keyturn/pending/<name>/lock` holds the token of the rotation under way. It is created with Overwrite=false, so only one of
 *   two rotations gets it.
 * - `/keyturn/pending/<name>/<token>` holds the pending value of that rotation and is written once. It is deleted when the value
 *   has become a version of the parameter, or a day after a rollback.
 *
 * A version that a rotation made has the label `token-<token>`; a version that was written by hand has the token `v<number>`.
 * After a promotion has written its version and before it has set the label, that version is recognized by its value, which
 * equals the pending one.
 */
export class ParameterStore implements Store {
  readonly #client: SSMClient
  readonly #calls: ParameterCalls
  readonly #parse: ValueParser

  constructor(client: SSMClient, parse: ValueParser = Credential.parse) {
    this.#client = client
    this.#calls = new ParameterCalls(client)
    this.#parse = parse
  }

  /** Makes the store and its client, so that a caller can load both with this file, when they are first used. */
  static fromConfig(settings: SSMClientConfig): ParameterStore {
    return new ParameterStore(new SSMClient(settings))
  }

  withParser(parse: ValueParser): ParameterStore {
    return new ParameterStore(this.#client, parse)
  }

  async describe(id: string): Promise<Description> {
    const [{ versions, newest, current, pending }, tags] = await Promise.all([
      this.#readParameter(id),
      this.#calls.readTags(id),
    ])
    const previous = versions.at(-2)
    const obstacle = findObstacle(id, versions)
    const { Type, KeyId } = newest
    return {
      current,
      pending: pending === current ? undefined : pending,
      previous: previous && tokenOf(previous),
      tags,
      ...(Type === 'SecureString' && KeyId && !isAwsManagedKey(KeyId) && { key: KeyId }),
      ...(obstacle && { obstacle }),
    }
  }

  async read(id: string, { token, stage }: { token?: string; stage?: Stage }): Promise<Version | undefined> {
    const { versions, newest, current, pending } = await this.#readParameter(id)
    const previous = versions.at(-2)
    const staged = { current, pending, previous: previous && tokenOf(previous) }
    const wanted = token ?? (stage && staged[stage])
    if (wanted === undefined || (stage && staged[stage] !== wanted)) return undefined
    const version = wanted === current ? newest : versions.find(entry => tokenOf(entry) === wanted)
    const text = await this.readValue(version ? `${id}:${version.Version}` : pendingNameOf(id, wanted))
    if (text === undefined) return undefined
    return { token: wanted, credential: this.#parse(text), ...(version && { created: dateOf(version) }) }
  }

  async propose(id: string, token: string, credential: Credential): Promise<void> {
    const parameter = await this.#readParameter(id)
    const { versions, current, pending } = parameter
    if (token === current || versions.some(version => tokenOf(version) === token))
      throw new TokenReused(`version ${token} was promoted already`)
    if (pending && pending !== token && pending !== current)
      throw new RotationInProgress(`version ${pending} is pending`)
    await this.#writePending(id, token, credential, parameter)
    for (let round = 0; round < MAX_ROUNDS_COUNT; round++) {
      if (await this.#lock(id, token)) return
      const found = await this.#readParameter(id)
      const { pending: holder } = found
      if (holder === token) return
      if (holder && holder !== found.current) throw new RotationInProgress(`version ${holder} is pending`)
      // The lock's token is current: a promotion died after it had written its version. Its label is set here before the lock is
      // removed, as without both the version would count as written by hand.
      if (holder) await this.#settle(id, holder, numberOf(found.newest), found.versions.at(-2), true)
    }
    throw new Conflict('other rotations keep taking the lock')
  }

  async wouldPropose(id: string, token: string, credential: Credential): Promise<void> {
    serializeIfFitting(id, token, credential, (await this.#readParameter(id)).newest)
  }

  /**
   * Writes the pending value of a token, unless it has one. The pending parameter has the pattern and the tier of the parameter
   * itself, so that a value which does not fit there is refused here. @throws TokenReused, InvalidCredential
   */
  async #writePending(
    id: string,
    token: string,
    credential: Credential,
    { newest }: Parameter,
  ): Promise<void> {
    const { KeyId, Tier, AllowedPattern } = newest
    const Value = serializeIfFitting(id, token, credential, newest)
    const Name = pendingNameOf(id, token)
    const parameter = { Name, Type: 'SecureString', KeyId, Tier, AllowedPattern, Value } as const
    if (await this.#calls.create(parameter, newest)) return
    const kept = await this.readValue(Name)
    if (kept !== undefined && !this.#parse(kept).equalsExceptPassword(credential))
      throw new TokenReused(`version ${token} already has a value that no longer fits`)
    const keptSince =
      (await this.#listPendingValues(id)).find(value => value.token === token)?.date ?? Number.NaN
    if (keptSince < dateOf(newest)) throw new TokenReused(olderTokenMessage(token))
  }

  /** Takes the lock for a token. @returns false if another rotation has it, or this one already */
  #lock(id: string, token: string): Promise<boolean> {
    return this.#calls.create({ Name: lockNameOf(id), Type: 'String', Value: token })
  }

  /**
   * Writes the pending value as a new version, provided that `replacing` is the newest one. Parameter Store has no compare-and-set,
   * so somebody else may write a version between that check and this write. The number of the version that was made shows that;
   * the other version is then written again on top.
   */
  async promote(id: string, token: string, replacing: string): Promise<void> {
    const parameter = await this.#readParameter(id)
    const { versions, newest, current, pending } = parameter
    let [made, replaced] = [numberOf(newest), versions.at(-2)]
    const isWritten = current === token
    if (!isWritten) {
      if (current !== replacing) throw new Superseded(`current is version ${current}, no longer ${replacing}`)
      const value = pending === token ? await this.readValue(pendingNameOf(id, token)) : undefined
      if (value === undefined) throw new Superseded(`version ${token} is not pending any more`)
      await this.#trim(id, parameter)
      made = await this.#calls.overwrite(id, newest, value)
      replaced = made === numberOf(newest) + 1 ? newest : await this.#findVersion(id, made - 1)
    }
    // A version that has its label was checked already, by the call that set the label.
    if (replaced && !(isWritten && tokenLabelOf(newest))) {
      const replacedToken = replaced === newest ? current : tokenOf(replaced)
      // If the same promotion runs twice at once, it writes two versions with the same value.
      const isExpected = replacedToken === token || replacedToken === replacing
      if (!isExpected && !(await this.#haveSameValue(`${id}:${made}`, `${id}:${replaced.Version}`))) {
        await this.#putBack(id, replaced, made)
        throw new Superseded(
          `current became version ${replacedToken} at the same moment, no longer ${replacing}`,
        )
      }
    }
    await this.#settle(id, token, made, replaced, pending === token)
  }

  async rehearsePromote(id: string, token: string): Promise<void> {
    const { current, pending } = await this.#readParameter(id)
    if (pending === token && current !== token) await this.readValue(pendingNameOf(id, token))
  }

  /**
   * Ends a promotion that has written its version number `made`: sets the labels, deletes the pending value and, if `locked`, the
   * lock. May run any number of times. No rotation begins while the current version has ten labels of others (findObstacle). If
   * they came later, the replaced version does not get the label `previous`, which Keyturn does not read.
   */
  async #settle(
    id: string,
    token: string,
    made: number,
    replaced: ParameterHistory | undefined,
    locked: boolean,
  ): Promise<void> {
    await this.#calls.label(id, made, TOKEN_LABEL_PREFIX + token, 'current')
    if (replaced) await this.#calls.label(id, numberOf(replaced), 'previous').catch(ignoreLabelsFull)
    await this.#calls.delete(pendingNameOf(id, token), ...(locked ? [lockNameOf(id)] : []))
  }

  /** Writes version `theirs`, somebody else's, again on top of version number `last`, and then each that comes meanwhile. */
  async #putBack(id: string, theirs: ParameterHistory, last: number): Promise<void> {
    let restored: ParameterHistory | undefined = theirs
    for (let round = 0; restored && round < MAX_ROUNDS_COUNT; round++) {
      const value = await this.readValue(`${id}:${restored.Version}`)
      if (value === undefined) return
      const made = await this.#calls.overwrite(id, restored, value)
      restored = made === last + 1 ? undefined : await this.#findVersion(id, made - 1)
      last = made
    }
  }

  async discard(id: string, token: string): Promise<void> {
    if ((await this.readValue(lockNameOf(id))) === token) await this.#calls.delete(lockNameOf(id))
    const expired = (await this.#listPendingValues(id)).filter(
      ({ date }) => date < Date.now() - DISCARDED_KEPT_MS,
    )
    if (expired.length) await this.#calls.delete(...expired.map(({ token }) => pendingNameOf(id, token)))
  }

  async listTokens(id: string): Promise<string[]> {
    const [{ versions }, values] = await Promise.all([this.#readParameter(id), this.#listPendingValues(id)])
    const promoted = versions
      .toReversed()
      .map(version => ({ token: tokenOf(version), date: dateOf(version) }))
    const newestFirst = [...promoted, ...values].toSorted((a, b) => b.date - a.date)
    return [...new Set(newestFirst.map(({ token }) => token))]
  }

  async #readParameter(id: string): Promise<Parameter> {
    requireParameterName(id)
    const [versions, pending] = await Promise.all([
      this.#calls.readHistory(id),
      this.readValue(lockNameOf(id)),
    ])
    const newest = versions.at(-1) ?? versions[0]
    // If the newest version has no token label and equals the pending value, a promotion has written it and not set the label yet.
    const isPromoted =
      pending !== undefined &&
      !tokenLabelOf(newest) &&
      (await this.#haveSameValue(`${id}:${newest.Version}`, pendingNameOf(id, pending)))
    return { versions, newest, current: isPromoted ? pending : tokenOf(newest), pending }
  }

  /** Whether two parameters, or versions of one (`name:number`), exist and have the same value. */
  async #haveSameValue(...names: [string, string]): Promise<boolean> {
    const [one, other] = await Promise.all(names.map(name => this.readValue(name)))
    return one !== undefined && one === other
  }

  async #findVersion(id: string, number: number): Promise<ParameterHistory | undefined> {
    return (await this.#calls.readHistory(id)).find(version => numberOf(version) === number)
  }

  /** The decrypted text of any parameter, or of a version (`name:number`); undefined if there is none. */
  readValue(name: string): Promise<string | undefined> {
    return this.#calls.readValue(name)
  }

  /** The tokens that have a pending or discarded value, and when it was written, in milliseconds since 1970. */
  async #listPendingValues(id: string): Promise<{ token: string; date: number }[]> {
    const found = await this.#calls.listUnder(id, pendingPathOf(id))
    return found
      .filter(({ name }) => name !== lockNameOf(id))
      .map(({ name, date }) => ({ token: name.split('/').at(-1) ?? '', date }))
  }

  /** Takes Keyturn's labels off old versions, so that Parameter Store can drop those versions. */
  async #trim(id: string, { versions }: Parameter): Promise<void> {
    for (const version of versions.slice(0, -LABELLED_VERSIONS_COUNT)) {
      const labels = version.Labels?.filter(isKeyturnLabel) ?? []
      if (labels.length) await this.#calls.unlabel(id, version.Version, labels)
    }
  }
}

/** The text to store. @throws InvalidCredential if that text, or the name of the pending parameter, is too long */
function serializeIfFitting(
  id: string,
  token: string,
  credential: Credential,
  { Tier }: ParameterHistory,
): string {
  const value = credential.serialize()
  refuseTooLong(id, pendingNameOf(id, token), value, Tier)
  return value
}

function ignoreLabelsFull(error: unknown): void {
  if (!(error instanceof LabelsFull)) throw error
}

const numberOf = ({ Version = 0 }: ParameterHistory) => Version
