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

/** The part of a session that a transfer uses. */
type StatementRunner = {
  query(text: string): Promise<QueryResultRow[]>
  /** Runs statements that change something. */
  write(text: string): Promise<unknown>
}

/**
 * How often the clone's belongings are read at most. They are read again, as its sessions may create objects during the transfer.
 */
const MAX_ROUNDS_COUNT = 5
/** How long objects are transferred one by one, after the statement for all of them failed. */
const ONE_BY_ONE_LIMIT_MS = 10_000

/** Gives the user what the clone owns in the session's database, in several transactions. */
export class OwnershipTransfer {
  readonly #statements: StatementRunner
  readonly #pair: UserPair
  readonly #roles: PairRoles
  /** The error with which the server refused to transfer an object, by the object's description. */
  readonly #refusals = new Map<string, RotationError>()

  constructor(statements: StatementRunner, pair: UserPair, roles: PairRoles) {
    this.#statements = statements
    this.#pair = pair
    this.#roles = roles
  }

  /**
   * Transfers every object that can be transferred. With `grants`, also revokes what was granted to the clone itself.
   * @returns what the clone keeps, one sentence each
   * @throws Conflict if a grant could be revoked later or, with `all`, if an object could be transferred later
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
   * Checks what `run` would do. Here `write` must roll its statements back: they only show whether the session can get the rights
   * of both roles.
   * @returns what the clone would certainly keep, one sentence each
   * @throws Conflict if the session cannot get these rights now, but may be able to later
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
      ? `they give other roles more or less than those of ${user} do`
      : (this.#refusals.get(description)?.message ?? 'it cannot belong to another role')
    return `${clone} keeps ${description}: ${why}`
  }

  /** Transfers these objects at once or, if that fails, one by one. Records why an object cannot be transferred. */
  async #transfer(belongings: Belonging[]): Promise<void> {
    const [u, c] = [escapeIdentifier(this.#pair.user), escapeIdentifier(this.#pair.clone)]
    if (!(await this.#tryStatements([`reassign owned by ${c} to ${u}`]))) return
    const deadline = Date.now() + ONE_BY_ONE_LIMIT_MS
    for (const belonging of belongings) {
      const statement = changeOwnerStatement(belonging, this.#pair.user)
      const refusal =
        Date.now() > deadline
          ? new Conflict('there was no time left for it')
          : statement
            ? await this.#tryStatements([statement])
            : new NotPermitted('there is no statement that would hand it over')
      if (refusal) this.#refusals.set(belonging.description, refusal)
    }
  }

  /**
   * Revokes what was granted to the clone itself: by DROP OWNED, or one by one if the clone owns something that DROP OWNED
   * would drop. A grant that cannot be revoked remains as a difference between the two.
   * @returns false if the clone has come to own something else meanwhile, so that nothing was revoked
   * @throws Conflict
   */
  async #revokeGrants(found: Belonging[]): Promise<boolean> {
    if (!found.some(isBlockingDrop)) {
      const refusal = await this.#tryStatements(dropOwnedStatements(this.#pair))
      if (isTemporary(refusal)) throw refusal
      return !(refusal instanceof ConditionNotMet)
    }
    for (const belonging of found.filter(({ owned }) => !owned)) {
      const statement = revokeStatement(belonging, this.#pair.clone)
      const refusal = statement && (await this.#tryStatements([statement]))
      if (isTemporary(refusal)) throw refusal
    }
    return true
  }

  /**
   * Runs statements with the rights of both roles.
   * @returns the error with which the server refused them; undefined if it ran them
   * @throws Unreachable
   */
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

/**
 * The belongings that prevent dropping the clone. Without `grants` the clone is not to be emptied, so those that can never be
 * transferred, such as user mappings, are left out.
 */
const belongingsThatStay = (found: Belonging[], grants: boolean) =>
  found.filter(isBlockingDrop).filter(belonging => grants || isTransferable(belonging))

/** Whether a later attempt may succeed. */
export const isTemporary = (error: unknown): error is Conflict => error instanceof Conflict
