import type { RunningMysql } from '../../../local/servers/mysql.ts'
import * as mysql from '../../../local/servers/mysqlDatabase.ts'
import type { RunningPostgres } from '../../../local/servers/postgres.ts'
import * as postgres from '../../../local/servers/postgresDatabase.ts'

/** Reads when the last change of a user's password took effect, in milliseconds by `performance.now()`. */
export type ReadPasswordChangeTime = (user: string) => Promise<number>

/**
 * Configures a server so that it records to the microsecond when a password was changed.
 * - PostgreSQL records when the transaction that wrote a role's row was committed. The server is restarted for that.
 *   https://www.postgresql.org/docs/current/runtime-config-replication.html#GUC-TRACK-COMMIT-TIMESTAMP
 * - MySQL and MariaDB record when a statement ended, in the slow query log, which is a table here and has all statements. The
 *   general log is turned off. Until the statement has ended, new logins wait.
 */
export async function watchPasswordChanges(
  server: RunningPostgres | RunningMysql,
): Promise<ReadPasswordChangeTime> {
  return 'engine' in server ? watchMysql(server) : watchPostgres(server)
}

/** Turns on PostgreSQL's commit timestamps. */
async function watchPostgres(server: RunningPostgres): Promise<ReadPasswordChangeTime> {
  await postgres.runStatements(server, 'alter system set track_commit_timestamp = on')
  await server.restart()
  return async user => {
    const found = await postgres.runStatements<Found>(
      server,
      `select extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000 as at from pg_authid where rolname = '${user}'`,
    )
    return changeTimeOf(user, found)
  }
}

/** Turns on the slow query log of MySQL or MariaDB for all statements. */
async function watchMysql(server: RunningMysql): Promise<ReadPasswordChangeTime> {
  await mysql.runStatements(server, [
    'set global general_log = off',
    "set global log_output = 'TABLE'",
    'set global long_query_time = 0',
    'set global slow_query_log = on',
  ])
  // `start_time` is when the statement ended in MySQL, and when it began in MariaDB (seen on MySQL 9.7 and MariaDB 11.8).
  const took = server.engine === 'mysql' ? '' : '+ time_to_sec(query_time)'
  return async user => {
    const found = await mysql.runStatements<Found>(
      server,
      `select (unix_timestamp(start_time) ${took}) * 1000 as at from mysql.slow_log
        where substring_index(user_host, '[', 1) = '${user}'
        and convert(sql_text using utf8mb4) regexp '(^| for )(set password|alter user) '`,
    )
    await mysql.runStatements(server, 'truncate table mysql.slow_log')
    return changeTimeOf(user, found)
  }
}

/**
 * When a password was changed, in milliseconds since 1970. It is a text, as drivers return a decimal number with all its digits.
 */
type Found = { at: string }

/** The time of the only change. @throws Error unless there was exactly one */
function changeTimeOf(user: string, found: Found[]): number {
  const [only] = found
  if (!only || found.length > 1)
    throw new Error(`${user} had its password changed ${found.length} times, not once`)
  return Number(only.at) - systemClockOffsetMs()
}

/** By how much the system's clock, which servers use, is ahead of `performance.now()`. It is read at the start of a millisecond. */
function systemClockOffsetMs(): number {
  const now = Date.now()
  while (Date.now() === now);
  return Date.now() - performance.now()
}
