import { Credential, type ValueParser } from '../credential.ts'
import { InvalidCredential, RotationInProgress, Superseded, TokenReused } from '../errors.ts'
import type { Tags } from '../tags.ts'
import { type Description, olderTokenMessage, type Stage, type Store, type Version } from './store.ts'

/** A secret: the text of each version by its token, the token of each stage, and the tags. */
type Secret = {
  versions: Map<string, string>
  stages: Partial<Record<Stage, string>>
  tags: Tags
}

/** A store in the memory of this process, for tests. */
export class MemoryStore implements Store {
  readonly #parse: ValueParser
  readonly #secrets: Map<string, Secret>

  constructor(parse: ValueParser = Credential.parse, secrets = new Map<string, Secret>()) {
    this.#parse = parse
    this.#secrets = secrets
  }

  withParser(parse: ValueParser): MemoryStore {
    return new MemoryStore(parse, this.#secrets)
  }

  /** Makes a secret whose first version is current. */
  create(id: string, token: string, credential: Credential, tags: Tags = {}): void {
    const versions = new Map([[token, credential.serialize()]])
    this.#secrets.set(id, { versions, stages: { current: token }, tags })
  }

  /** Moves a label as a person could. If `current` moves, `previous` moves to the version that was current, as on AWS. */
  move(id: string, stage: Stage, token: string): void {
    const { stages } = this.#secret(id)
    if (stage === 'current' && stages.current) stages.previous = stages.current
    stages[stage] = token
  }

  /** Changes the secret's tags. */
  tag(id: string, tags: Tags): void {
    this.#secret(id).tags = tags
  }

  async describe(id: string): Promise<Description> {
    const { stages, tags } = this.#secret(id)
    const { current, pending, previous } = stages
    return { current, pending: pending === current ? undefined : pending, previous, tags: { ...tags } }
  }

  async read(id: string, which: { token?: string; stage?: Stage }): Promise<Version | undefined> {
    const { versions, stages } = this.#secret(id)
    const staged = which.stage && stages[which.stage]
    const token = which.token ?? staged
    if (token === undefined || (which.stage && staged !== token)) return undefined
    const text = versions.get(token)
    return text === undefined ? undefined : { token, credential: this.#parse(text) }
  }

  async propose(id: string, token: string, credential: Credential): Promise<void> {
    const { versions, stages } = this.#secret(id)
    const kept = versions.get(token)
    if (kept === undefined) {
      versions.set(token, credential.serialize())
      stages.pending = token
      return
    }
    if (!this.#parse(kept).equalsExceptPassword(credential))
      throw new TokenReused(`version ${token} already has a value that no longer fits`)
    if (stages.pending === token) return
    const order = [...versions.keys()]
    if (order.indexOf(token) < order.indexOf(stages.current ?? ''))
      throw new TokenReused(olderTokenMessage(token))
    if (stages.pending && stages.pending !== stages.current)
      throw new RotationInProgress(`version ${stages.pending} is pending`)
    stages.pending = token
  }

  async rehearsePromote(id: string): Promise<void> {
    this.#secret(id)
  }

  async promote(id: string, token: string, replacing: string): Promise<void> {
    const { stages } = this.#secret(id)
    if (stages.current === token) return
    if (stages.current !== replacing)
      throw new Superseded(`current is version ${stages.current}, no longer ${replacing}`)
    if (stages.pending !== token) throw new Superseded(`version ${token} is not pending any more`)
    stages.previous = replacing
    stages.current = token
  }

  async discard(id: string, token: string): Promise<void> {
    const { stages } = this.#secret(id)
    if (stages.pending === token) delete stages.pending
  }

  async listTokens(id: string): Promise<string[]> {
    return [...this.#secret(id).versions.keys()].reverse()
  }

  /** Deletes a secret as a person could. @returns a function that restores it */
  delete(id: string): () => void {
    const secret = this.#secret(id)
    this.#secrets.delete(id)
    return () => {
      this.#secrets.set(id, secret)
    }
  }

  #secret(id: string): Secret {
    const secret = this.#secrets.get(id)
    if (!secret) throw new InvalidCredential('id', `there is no secret ${id}`)
    return secret
  }
}
