import type { Connection as CallbackConnection, PrepareStatementInfo } from 'mysql2'
import type { Connection, RowDataPacket } from 'mysql2/promise'
import { awaitTestQuery, writingTestQueryError } from '../testQuery.ts'
import { ReadOnly, translate, unreadableAnswerError } from './mysqlErrors.ts'

/** The connection of a session: sends one statement at a time, with a limit on how long its answer may take. */
export class MysqlWire {
  /** Milliseconds after which the server should cancel a statement. A second later its answer is no longer waited for. */
  readonly statementTimeoutMs: number
  readonly #connection: Connection
  /** The login, for errors. */
  readonly #where: string
  readonly #testMayWrite: boolean
  /** Whether a statement has timed out, so that its answer may still arrive. */
  #unanswered = false

  constructor(
    connection: Connection,
    where: string,
    { statementTimeout, testMayWrite }: { statementTimeout: number; testMayWrite: boolean },
  ) {
    this.#connection = connection
    this.#where = where
    this.statementTimeoutMs = statementTimeout
    this.#testMayWrite = testMayWrite
  }

  /** Runs a statement. @returns its rows; an empty list for a statement without rows */
  async query(sql: string): Promise<RowDataPacket[]> {
    try {
      const [rows] = await this.#connection.query<RowDataPacket[]>({
        sql,
        timeout: this.statementTimeoutMs + 1_000,
      })
      // Other statements than queries return a header instead of rows.
      return Array.isArray(rows) ? rows : []
    } catch (error) {
      // The driver keeps the statement until its late answer arrives, and whatever is sent next would wait for that.
      this.#unanswered ||= (error as { code?: string }).code === 'PROTOCOL_SEQUENCE_TIMEOUT'
      throw translate(await this.#findReason(error), this.#where)
    }
  }

  /** Runs a query that always has one row. @returns the row */
  async row(sql: string): Promise<RowDataPacket> {
    const [row] = await this.query(sql)
    if (!row) throw unreadableAnswerError(this.#where)
    return row
  }

  /** Runs SHOW. @returns the first column of each row */
  async show(what: string): Promise<string[]> {
    return (await this.query(`show ${what}`)).map(row => String(Object.values(row)[0]))
  }

  /**
   * Runs a test query as a prepared statement, as only that refuses more than one statement. A statement that commits
   * implicitly, such as DROP TABLE, ends the transaction before it runs, so the session is made read-only as well
   * (https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html).
   */
  async runTestQuery(query: string): Promise<void> {
    const mode = this.#testMayWrite ? 'read write' : 'read only'
    await this.query(`set session transaction ${mode}`)
    await this.query(`start transaction ${mode}`)
    try {
      await awaitTestQuery(this.#runDiscardingRows(query))
    } catch (error) {
      throw error instanceof ReadOnly && !this.#testMayWrite ? writingTestQueryError(this.#where) : error
    } finally {
      if (!this.#unanswered) {
        await this.query('rollback').catch(() => {})
        await this.query('set session transaction read write').catch(() => {})
      }
    }
  }

  /**
   * Runs a prepared statement without a listener for its rows, so that the driver keeps none. If a test query may only read, a
   * statement without rows is refused: a user that changes its own password, for example, is not stopped by a read-only
   * transaction.
   */
  async #runDiscardingRows(sql: string): Promise<void> {
    const ended = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      this.#unanswered = true
      ended.reject(Object.assign(new Error('no answer in time'), { code: 'PROTOCOL_SEQUENCE_TIMEOUT' }))
    }, this.statementTimeoutMs + 1_000)
    // The driver's connection with callbacks, because the one with promises keeps all rows.
    const { connection } = this.#connection as Connection & { connection: CallbackConnection }
    connection.once('error', ended.reject)
    connection.prepare(sql, (error, statement) => {
      if (error) return ended.reject(error)
      if (!this.#testMayWrite && !hasRows(statement)) return ended.reject(writingTestQueryError(this.#where))
      statement
        .execute([])
        .on('error', ended.reject)
        .on('end', () => ended.resolve())
    })
    try {
      await ended.promise
    } catch (error) {
      throw translate(error, this.#where)
    } finally {
      clearTimeout(timer)
      connection.off('error', ended.reject)
    }
  }

  /** Ends the connection, without the protocol's goodbye if an answer is still missing. */
  async close(): Promise<void> {
    if (this.#unanswered) this.#connection.destroy()
    else await this.#connection.end().catch(() => {})
  }

  /**
   * Finds the reason for error 1396, with which MariaDB says no more than that an account could not be changed. If
   * strict_password_validation was the reason, a warning says so.
   */
  async #findReason(error: unknown): Promise<unknown> {
    if ((error as { errno?: number }).errno !== 1396) return error
    const [warnings] = await this.#connection
      .query<RowDataPacket[]>({ sql: 'show warnings' })
      .catch(() => [[]])
    const strict = warnings.find(({ Code }) => Code === 1290)
    return strict ? Object.assign(error as Error, { errno: 1290, message: strict.Message }) : error
  }
}

/** Whether a prepared statement returns rows. The server tells, but the driver's types leave it out. */
const hasRows = (statement: PrepareStatementInfo) =>
  (statement as PrepareStatementInfo & { columns: unknown[] }).columns.length > 0
