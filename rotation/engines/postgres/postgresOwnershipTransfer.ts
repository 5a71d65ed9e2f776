import { escapeIdentifier, type QueryResultRow } from 'pg'
import { Conflict, NotPermitted, RotationError, Unreachable } from '../../errors.ts'
import type { UserPair } from '../engine.ts'
import {
  type Belonging,
  belongingsQuery,
  changeOwnerStatement,
  dropOwnedStatements,
  isBlockingDrop,
  isTransferable,
  revokeStatement,
} from './postgresBelongings.ts'
import { ConditionNotMet } from './postgresErrors.ts'
import type { PairRoles } from './postgresRoles.ts'
import { withRightsOfBoth } from './postgresTemporaryMembership.ts'

/** What handing over needs of a session. */
type StatementRunner = {
  query(text: string): Promise<QueryResultRow[]>
  /** For what changes something. */
  write(text: string): Promise<unknown>
}

/** How often the clone is looked at again for what its sessions make while what it owns is handed over. */
const MAX_ROUNDS_COUNT = 5
/** How long things are handed over one by one where they do not go all at once. */
const ONE_BY_ONE_LIMIT_MS = 10_000

/** Hands what the clone owns in the session's database to the user, in transactions of its own. */
export class OwnershipTransfer {
  readonly #statements: StatementRunner
  readonly #pair: UserPair
  readonly #roles: PairRoles
  /** Why the server does not hand a thing over, by the thing's description. */
  readonly #refusals = new Map<string, RotationError>()

  constructor(statements: StatementRunner, pair: UserPair, roles: PairRoles) {
    this.#statements = statements
    this.#pair = pair
    this.#roles = roles
  }

  /**
   * Hands over what can be, and takes back what the clone was granted itself, if `grants`.
   * @returns what stays with the clone, a sentence each; what may go over later is thrown instead, if `all` is to go
   */
  async run({ grants, all = false }: { grants: boolean; all?: boolean }): Promise<string[]> {
    let found: Belonging[] = []
    for (let round = 0; round < MAX_ROUNDS_COUNT; round++) {
      found = await this.#readBelongings()
      const movable = found
        .filter(isTransferable)
        .filter(({ description }) => !this.#refusals.has(description))
      if (movable.length) {
        await this.#transfer(movable)
        continue
      }
      if (!grants || !found.length) break
      if (await this.#revokeGrants(found)) break
    }
    const staying = belongingsThatStay(found, grants)
    const temporary = staying.map(({ description }) => this.#refusals.get(description)).find(isTemporary)
    if (all && temporary) throw temporary
    return staying.map(belonging => this.#staysSentence(belonging))
  }

  /**
   * Looks at what `run` would be about. `write` tries out, and takes back, that this session comes to act for both roles.
   * @returns what would stay with the clone for sure, a sentence each
   * @throws Conflict if that may be otherwise soon
   */
  async preview({ grants }: { grants: boolean }): Promise<string[]> {
    const found = await this.#readBelongings()
    const movable = found.filter(isTransferable)
    const refusal = movable.length ? await this.#tryStatements([]) : undefined
    if (isTemporary(refusal)) throw refusal
    if (refusal) for (const { description } of movable) this.#refusals.set(description, refusal)
    return belongingsThatStay(found, grants)
      .filter(belonging => refusal || !isTransferable(belonging))
      .map(belonging => this.#staysSentence(belonging))
  }

  async #readBelongings(): Promise<Belonging[]> {
    return (await this.#statements.query(belongingsQuery(this.#pair))) as Belonging[]
  }

  #staysSentence({ description, defaults }: Belonging): string {
    const { user, clone } = this.#pair
    const why = defaults
      ? `they give others more than those of ${user} do, or less`
      : (this.#refusals.get(description)?.message ?? 'it belongs to nobody else')
    return `${clone} keeps ${description}: ${why}`
  }

  /** Hands all of this over, or one by one as much as goes, and notes why the rest does not. */
  async #transfer(belongings: Belonging[]): Promise<void> {
    const [u, c] = [escapeIdentifier(this.#pair.user), escapeIdentifier(this.#pair.clone)]
    if (!(await this.#tryStatements([`reassign owned by ${c} to ${u}`]))) return
    const end = Date.now() + ONE_BY_ONE_LIMIT_MS
    for (const belonging of belongings) {
      const give = changeOwnerStatement(belonging, this.#pair.user)
      const refusal =
        Date.now() > end
          ? new Conflict('there was no time left for it')
          : give
            ? await this.#tryStatements([give])
            : new NotPermitted('there is no statement that would hand it over')
      if (refusal) this.#refusals.set(belonging.description, refusal)
    }
  }

  /**
   * Takes back what the clone was granted itself: all at once, or one by one where it owns what would be dropped with it.
   * What cannot be taken back stays a difference.
   * @returns false if it owns something more by now
   */
  async #revokeGrants(found: Belonging[]): Promise<boolean> {
    if (!found.some(isBlockingDrop)) {
      const refusal = await this.#tryStatements(dropOwnedStatements(this.#pair))
      if (isTemporary(refusal)) throw refusal
      return !(refusal instanceof ConditionNotMet)
    }
    for (const belonging of found.filter(({ owned }) => !owned)) {
      const take = revokeStatement(belonging, this.#pair.clone)
      const refusal = take && (await this.#tryStatements([take]))
      if (isTemporary(refusal)) throw refusal
    }
    return true
  }

  /** Why the server does not do this for both roles; undefined if it did. @throws Unreachable */
  async #tryStatements(statements: string[]): Promise<RotationError | undefined> {
    try {
      await this.#statements.write(withRightsOfBoth(this.#roles, statements).join('; '))
      return undefined
    } catch (error) {
      if (!(error instanceof RotationError) || error instanceof Unreachable) throw error
      return error
    }
  }
}

/** What keeps the clone from being dropped; without the `grants`, of what it owns alone. */
const belongingsThatStay = (found: Belonging[], grants: boolean) =>
  found.filter(isBlockingDrop).filter(belonging => grants || isTransferable(belonging))

/** What may be otherwise soon. */
export const isTemporary = (error: unknown): error is Conflict => error instanceof Conflict
