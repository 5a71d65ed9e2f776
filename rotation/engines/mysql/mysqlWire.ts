import type { Connection as Plain, PrepareStatementInfo } from 'mysql2'
import type { Connection, RowDataPacket } from 'mysql2/promise'
import { awaitTestQuery, writingTestQueryError } from '../testQuery.ts'
import { ReadOnly, translate, unreadableAnswerError } from './mysqlErrors.ts'

/** What a session sends, a statement at a time, each with a limit to how long its answer may take. */
export class MysqlWire {
  /** The milliseconds after which the server is to give a statement up; a second later nobody waits for its answer. */
  readonly statementTimeoutMs: number
  readonly #connection: Connection
  /** For errors: whose connection it is. */
  readonly #where: string
  readonly #testMayWrite: boolean
  /** Whether an answer is still to come that nobody waits for. */
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

  /** The rows of a statement; none of one that has none. */
  async query(sql: string): Promise<RowDataPacket[]> {
    try {
      const [rows] = await this.#connection.query<RowDataPacket[]>({
        sql,
        timeout: this.statementTimeoutMs + 1_000,
      })
      // What is no SELECT has none.
      return Array.isArray(rows) ? rows : []
    } catch (error) {
      // What comes late must not be taken for the answer to the next statement.
      this.#unanswered ||= (error as { code?: string }).code === 'PROTOCOL_SEQUENCE_TIMEOUT'
      throw translate(await this.#findReason(error), this.#where)
    }
  }

  /** The one row of a query that always has one. */
  async row(sql: string): Promise<RowDataPacket> {
    const [row] = await this.query(sql)
    if (!row) throw unreadableAnswerError(this.#where)
    return row
  }

  /** What SHOW says, a line for each row. */
  async show(what: string): Promise<string[]> {
    return (await this.query(`show ${what}`)).map(row => String(Object.values(row)[0]))
  }

  /**
   * Runs a test query. Only a prepared statement is exactly one. What commits by itself, such as DROP TABLE, ends a transaction before it is
   * run, and then only the session's own setting says that it may not write.
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
   * Runs a prepared statement. Nothing listens for its rows, so none is kept. What has no rows does not read: changing
   * one's own password, for example, which no transaction stops.
   */
  async #runDiscardingRows(sql: string): Promise<void> {
    const ended = Promise.withResolvers<void>()
    const late = setTimeout(() => {
      this.#unanswered = true
      ended.reject(Object.assign(new Error('no answer in time'), { code: 'PROTOCOL_SEQUENCE_TIMEOUT' }))
    }, this.statementTimeoutMs + 1_000)
    // The driver's own, as the one with promises keeps all rows.
    const { connection } = this.#connection as Connection & { connection: Plain }
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
      clearTimeout(late)
      connection.off('error', ended.reject)
    }
  }

  async close(): Promise<void> {
    if (this.#unanswered) this.#connection.destroy()
    else await this.#connection.end().catch(() => {})
  }

  /** MariaDB says of any reason but its own that an account could not be changed, and keeps the reason as a warning. */
  async #findReason(error: unknown): Promise<unknown> {
    if ((error as { errno?: number }).errno !== 1396) return error
    const [warnings] = await this.#connection
      .query<RowDataPacket[]>({ sql: 'show warnings' })
      .catch(() => [[]])
    const strict = warnings.find(({ Code }) => Code === 1290)
    return strict ? Object.assign(error as Error, { errno: 1290, message: strict.Message }) : error
  }
}

/** As the server says of a statement that it has prepared; the driver's types leave it out. */
const hasRows = (statement: PrepareStatementInfo) =>
  (statement as PrepareStatementInfo & { columns: unknown[] }).columns.length > 0
