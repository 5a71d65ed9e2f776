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

/** Labels of ours stay on so many of the newest versions: Parameter Store keeps 100, and cannot drop a labelled one. */
const LABELLED_VERSIONS_COUNT = 50

/** Milliseconds that a discarded value is kept for. Longer than a step of its rotation could still be at work. */
const DISCARDED_KEPT_MS = 86_400_000

/** Others were faster more often than this: give up, and be retried. */
const MAX_ROUNDS_COUNT = 3

/** What is known of a parameter without reading its value. */
type Parameter = {
  versions: ParameterVersions
  newest: ParameterHistory
  /** The token of the newest version, and the one that is pending; the same while a promotion is cleaning up. */
  current: string
  pending: string | undefined
}

/**
 * SSM Parameter Store. A reader sees a parameter's newest version at once, so what is pending lives beside it:
 *
 * - `/keyturn/pending/<name>/lock` holds the token of the rotation that goes on. It is made with Overwrite=false, so
 *   of two rotations one gets it.
 * - `/keyturn/pending/<name>/<token>` holds that rotation's value, and is written once. It is kept for a day after a
 *   rollback, and deleted when it has become a version of the parameter.
 *
 * Such a version carries the label `token-<token>`; one written by hand has the token `v<number>`. Between its writing
 * and its label it is known by its value, which is then the pending one.
 */
export class ParameterStore implements Store {
  readonly #client: SSMClient
  readonly #calls: ParameterCalls
  readonly #format: ValueParser

  constructor(client: SSMClient, format: ValueParser = Credential.parse) {
    this.#client = client
    this.#calls = new ParameterCalls(client)
    this.#format = format
  }

  /** Over a client of its own, for whoever loads both when they are used. */
  static fromConfig(settings: SSMClientConfig): ParameterStore {
    return new ParameterStore(new SSMClient(settings))
  }

  withParser(format: ValueParser): ParameterStore {
    return new ParameterStore(this.#client, format)
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
    return { token: wanted, credential: this.#format(text), ...(version && { created: dateOf(version) }) }
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
      // A promotion died after its put. Without its label it would be known by its number once the lock is gone.
      if (holder) await this.#settle(id, holder, numberOf(found.newest), found.versions.at(-2), true)
    }
    throw new Conflict('other rotations keep taking turns')
  }

  async wouldPropose(id: string, token: string, credential: Credential): Promise<void> {
    serializeIfFitting(id, token, credential, (await this.#readParameter(id)).newest)
  }

  /** Writes the token's value, unless it has one. What the parameter would refuse is refused here. */
  async #writePending(
    id: string,
    token: string,
    credential: Credential,
    { newest }: Parameter,
  ): Promise<void> {
    const { KeyId, Tier, AllowedPattern } = newest
    const Value = serializeIfFitting(id, token, credential, newest)
    const parameter = {
      KeyId,
      Tier,
      AllowedPattern,
      Name: pendingNameOf(id, token),
      Type: 'SecureString',
    } as const
    if (await this.#calls.create({ ...parameter, Value }, newest)) return
    const kept = await this.readValue(pendingNameOf(id, token))
    if (kept !== undefined && !this.#format(kept).equalsExceptPassword(credential))
      throw new TokenReused(`version ${token} already has a value that no longer fits`)
    const since = (await this.#listPendingValues(id)).find(value => value.token === token)?.date ?? Number.NaN
    if (since < dateOf(newest)) throw new TokenReused(olderTokenMessage(token))
  }

  /** False if another rotation has it, or this one already. */
  #lock(id: string, token: string): Promise<boolean> {
    return this.#calls.create({ Name: lockNameOf(id), Type: 'String', Value: token })
  }

  /**
   * Puts a version with the pending value, provided that `replacing` is the newest. Parameter Store compares nothing,
   * so somebody may write between our look and our put. The number of the version that we made tells; what they
   * wrote is then put back on top of it.
   */
  async promote(id: string, token: string, replacing: string): Promise<void> {
    const parameter = await this.#readParameter(id)
    const { versions, newest, current, pending } = parameter
    let [made, replaced] = [numberOf(newest), versions.at(-2)]
    if (current !== token) {
      if (current !== replacing) throw new Superseded(`current is version ${current}, no longer ${replacing}`)
      const value = pending === token ? await this.readValue(pendingNameOf(id, token)) : undefined
      if (value === undefined) throw new Superseded(`version ${token} is not pending any more`)
      await this.#trim(id, parameter)
      made = await this.#calls.overwrite(id, newest, value)
      replaced = made === numberOf(newest) + 1 ? newest : await this.#findVersion(id, made - 1)
    }
    // Settled already if it has its label; the call that set it had seen what it replaced.
    if (replaced && (current !== token || !tokenLabelOf(newest))) {
      const found = replaced === newest ? current : tokenOf(replaced)
      // The same promotion, run twice at once, puts twice.
      const ours = found === token || found === replacing
      if (!ours && !(await this.#haveSameValue(`${id}:${made}`, `${id}:${replaced.Version}`))) {
        await this.#putBack(id, replaced, made)
        throw new Superseded(`current became version ${found} at the same moment, no longer ${replacing}`)
      }
    }
    await this.#settle(id, token, made, replaced, pending === token)
  }

  async rehearsePromote(id: string, token: string): Promise<void> {
    const { current, pending } = await this.#readParameter(id)
    if (pending === token && current !== token) await this.readValue(pendingNameOf(id, token))
  }

  /**
   * What follows the put of a promotion. Any number of times. If others have filled the replaced version's ten labels
   * meanwhile, `previous` stays where it is: nothing of ours reads it, and the next rotation says so before it begins.
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

  /** Makes `theirs` the newest again on top of `last`; and what is written while that goes on, likewise. */
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
    const old = (await this.#listPendingValues(id)).filter(
      ({ date }) => date < Date.now() - DISCARDED_KEPT_MS,
    )
    if (old.length) await this.#calls.delete(...old.map(({ token }) => pendingNameOf(id, token)))
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
    // Then it was put by a promotion, and its label is still to come.
    const written =
      pending !== undefined &&
      !tokenLabelOf(newest) &&
      (await this.#haveSameValue(`${id}:${newest.Version}`, pendingNameOf(id, pending)))
    return { versions, newest, current: written ? pending : tokenOf(newest), pending }
  }

  async #haveSameValue(...names: [string, string]): Promise<boolean> {
    const [one, other] = await Promise.all(names.map(name => this.readValue(name)))
    return one !== undefined && one === other
  }

  async #findVersion(id: string, number: number): Promise<ParameterHistory | undefined> {
    return (await this.#calls.readHistory(id)).find(version => numberOf(version) === number)
  }

  /** The decrypted text of any parameter; undefined if there is no such parameter or version. */
  readValue(name: string): Promise<string | undefined> {
    return this.#calls.readValue(name)
  }

  /** The tokens that have a value beside the parameter, and since when (in milliseconds). */
  async #listPendingValues(id: string): Promise<{ token: string; date: number }[]> {
    const found = await this.#calls.listUnder(id, pendingPathOf(id))
    return found
      .filter(({ name }) => name !== lockNameOf(id))
      .map(({ name, date }) => ({ token: name.split('/').at(-1) ?? '', date }))
  }

  /** Takes our labels off old versions, so that Parameter Store can drop them. */
  async #trim(id: string, { versions }: Parameter): Promise<void> {
    for (const version of versions.slice(0, -LABELLED_VERSIONS_COUNT)) {
      const labels = version.Labels?.filter(isKeyturnLabel) ?? []
      if (labels.length) await this.#calls.unlabel(id, version.Version, labels)
    }
  }
}

/** The text to store. @throws InvalidCredential if Parameter Store takes no value, or name, of that length */
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
