import type { RunningMysql } from '../../../local/servers/mysql.ts'
import * as mysql from '../../../local/servers/mysqlDatabase.ts'
import type { RunningPostgres } from '../../../local/servers/postgres.ts'
import * as postgres from '../../../local/servers/postgresDatabase.ts'

/** Tells when the last change of a user's password took effect, in milliseconds as `performance.now()` counts them. */
export type ReadPasswordChangeTime = (user: string) => Promise<number>

/**
 * Lets a server keep to the microsecond when a password was changed. PostgreSQL keeps when the transaction that wrote a
 * role's row was committed; it is restarted for that. MySQL and MariaDB keep when a statement ended, in their log of slow
 * statements, here of all, as a table; until then they let nobody in who comes meanwhile. Nothing else logs statements there
 * from then on.
 */
export async function watchPasswordChanges(
  server: RunningPostgres | RunningMysql,
): Promise<ReadPasswordChangeTime> {
  return 'engine' in server ? watchMysql(server) : watchPostgres(server)
}

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

async function watchMysql(server: RunningMysql): Promise<ReadPasswordChangeTime> {
  await mysql.runStatements(server, [
    'set global general_log = off',
    "set global log_output = 'TABLE'",
    'set global long_query_time = 0',
    'set global slow_query_log = on',
  ])
  // MySQL notes when a statement ended, MariaDB when it began.
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

/** Milliseconds since 1970, as text: it has more digits than a database's driver makes a number of. */
type Found = { at: string }

function changeTimeOf(user: string, found: Found[]): number {
  const [only] = found
  if (!only || found.length > 1)
    throw new Error(`${user} had its password changed ${found.length} times, not once`)
  return Number(only.at) - systemClockOffsetMs()
}

/** What the system's clock, which servers write, is ahead of `performance.now()`. It is read where a millisecond begins. */
function systemClockOffsetMs(): number {
  const now = Date.now()
  while (Date.now() === now);
  return Date.now() - performance.now()
}
