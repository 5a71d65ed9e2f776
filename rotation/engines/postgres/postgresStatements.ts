import type pg from 'pg'
import { PasswordNotChecked } from '../passwordNotChecked.ts'
import { actsAsAnotherRoleSql } from './postgresActsAsAnother.ts'
import { ReadOnly } from './postgresErrors.ts'
import { type CompletedLogin, PostgresFamilySession } from './postgresFamily.ts'

/** Runs statements, joined by semicolons. */
export type RunStatements = (statements: string) => Promise<unknown>

/** The part of a session of PostgreSQL that knows how its login went, and runs statements accordingly. */
export abstract class PostgresStatements extends PostgresFamilySession {
  /**
   * The form in which new passwords are stored, a PasswordProof: the form of the current password as far as the server shows it.
   */
  accountQualifier: string
  isBehindPooler = false
  /**
   * What `prepare` asks the server because the login has not shown it: the form for new passwords, and by which method of
   * pg_hba.conf the password was checked.
   */
  readonly #mustAsk: { form: boolean; method: boolean }
  /** The server's major version; 0 if unknown. */
  protected readonly version: number
  /**
   * Whether this user may create roles, and a setting that is not the user's own makes it act as another role, which may have
   * fewer rights.
   */
  #actsAsAnother = false
  /**
   * The external method of pg_hba.conf that has checked the password, such as `ldap`; undefined if the server itself has, or if
   * it does not tell.
   */
  #passwordCheckedBy: string | undefined
  /** The salt of the SCRAM verifier that this login used; undefined if it used none. */
  protected readonly salt: Buffer | undefined

  constructor(completedLogin: CompletedLogin, accountQualifier?: string) {
    super(completedLogin)
    const { details } = completedLogin
    this.salt = details.salt
    this.accountQualifier = accountQualifier ?? details.proof
    this.version = Number.parseInt(details.version ?? '', 10) || 0
    const inClearText = details.proof === 'password'
    this.#mustAsk = {
      form: inClearText && !accountQualifier,
      method: inClearText && this.version >= 16,
    }
  }

  /**
   * Asks for what the login has not shown, and switches the user's own timeouts off:
   * - After a login in clear text, the server's settings decide in which form a new password is stored.
   * - A pooler is detected by the id of the process: at the login a pooler tells one of its own, while the process of the server
   *   has another one.
   * - A short timeout could strike in each message before its `set local` is reached. So the timeouts are off for the whole
   *   session. Behind a pooler, which would reuse the session, the third argument of set_config limits that to this transaction.
   * - A user that may create roles must act as itself, unless a setting of its own says otherwise.
   */
  override async prepare(where: string): Promise<void> {
    const { form, method } = this.#mustAsk
    const { processID } = this.client as pg.Client & { processID: number | null }
    const ask = `select pg_backend_pid() as process, current_setting('password_encryption') as form,
      coalesce(current_setting('scram_iterations', true), '4096') as iterations, ${method ? 'system_user' : 'null'} as who,
      ${actsAsAnotherRoleSql(this.credential.username)} as "actsAsAnother"`
    const switchOff = [
      'statement_timeout',
      ...(this.version >= 14 ? ['idle_session_timeout'] : []),
      ...(this.version >= 17 ? ['transaction_timeout'] : []),
    ].map(name => `set_config('${name}', '0', pg_backend_pid() <> ${Number(processID)})`)
    const [found] = await this.query([ask, ...switchOff].join(', '), where)
    this.isBehindPooler = found !== undefined && found.process !== processID
    if (form) this.accountQualifier = found?.form === 'md5' ? 'md5' : `scram-sha-256:${found?.iterations}`
    this.#actsAsAnother = found?.actsAsAnother === true
    // system_user is `method:identity` (https://www.postgresql.org/docs/current/functions-info.html).
    this.#passwordCheckedBy = /^(ldap|pam|radius|bsd):/.exec(found?.who ?? '')?.[1]
  }

  /**
   * Refuses a user if the server tells that an external service checks its password, such as LDAP: the database does not have it.
   */
  async requirePasswordCheck(): Promise<void> {
    if (this.#passwordCheckedBy)
      throw new PasswordNotChecked(
        `as ${this.credential}: the server leaves this user's password to ${this.#passwordCheckedBy} (pg_hba.conf), so setting another ` +
          'in the database would change nothing; let pg_hba.conf ask this user for scram-sha-256',
      )
  }

  /** Every user may ask, also through a pooler. */
  async isStandby(): Promise<boolean> {
    const [found] = await this.query('select pg_is_in_recovery() as standby')
    return found?.standby !== false
  }

  /** A pooler in statement mode ends a session that leaves a transaction open. */
  async requireTransactions(): Promise<void> {
    if (!this.isBehindPooler) return
    await this.send('begin read only')
    await this.send('rollback')
  }

  /**
   * Runs statements that change roles. If a setting of the user or the database makes transactions read-only, they run in a
   * read-write transaction nevertheless; only test queries obey that setting.
   * @throws ReadOnly if the server itself is read-only, by its own setting or as a replica
   */
  protected async write(statements: string, run: RunStatements = text => this.query(text)): Promise<void> {
    try {
      await run(statements)
    } catch (error) {
      if (!(error instanceof ReadOnly)) throw error
      const [userSetting] = await this.query(
        `select from pg_settings where name = 'default_transaction_read_only'
         and source in ('user', 'database', 'database user') and not pg_is_in_recovery()`,
      )
      if (!userSetting) throw error
      await run(`set transaction read write; ${statements}`)
    }
  }

  /** Runs statements and rolls them back. Waits at most a second for a session that changes the same role. @throws as write */
  protected async tryOut(statements: string): Promise<void> {
    await this.write(statements, async text => {
      try {
        await this.query(`begin; set local lock_timeout = '1s'; ${text}; rollback`)
      } catch (error) {
        await this.send('rollback').catch(() => {})
        throw error
      }
    })
  }

  /** Puts the parameters before the statements in the same message: several statements in one message are one transaction. */
  protected override async queryAll(text: string, where?: string): Promise<pg.QueryResultRow[][]> {
    const settings = [
      // The timeouts go first: those of the user may be too short for a rotation.
      ...(this.version >= 17 ? ['set local transaction_timeout = 0'] : []),
      `set local statement_timeout = ${this.statementTimeout}`,
      'set local lock_timeout = 0',
      'set local search_path = pg_catalog',
      'set local datestyle = iso',
      ...(this.#actsAsAnother ? ['set local role none'] : []),
    ]
    return (await this.send([...settings, text].join('; '), where)).slice(settings.length)
  }
}
