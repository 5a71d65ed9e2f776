import { execFile } from 'node:child_process'
import { appendFile, copyFile, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type RunningPostgres, startPostgresIn, unpackPostgres } from './postgres.ts'
import { runStatements } from './postgresDatabase.ts'
import { giveToUnprivileged } from './unprivileged.ts'

const run = promisify(execFile)

/** A standby: a copy of a PostgreSQL that follows its primary. */
export type PostgresStandby = RunningPostgres & {
  /** Waits until the standby has all changes that the primary has by now. */
  waitUntilCaughtUp(): Promise<void>
  /** Disconnects the standby from its primary. It keeps the changes that it has. */
  cutOff(): Promise<void>
  /** Makes the standby a primary that accepts changes. */
  promote(): Promise<void>
}

/**
 * Starts a standby of a running PostgreSQL, read-only as a read replica is. It has the primary's users, passwords and certificate,
 * and a folder of its own. The primary is restarted for this, so its sessions end.
 * @param port where the standby listens, by default a free port
 */
export async function startStandbyOf(
  primary: RunningPostgres,
  { port }: { port?: number } = {},
): Promise<PostgresStandby> {
  const folder = await mkdtemp(join(tmpdir(), `keyturn-postgres-${primary.version}-standby-`))
  const data = join(folder, 'data')
  const binaries = unpackPostgres(primary.version, folder)
  // `cp -p` keeps each file's owner and permissions, without which the server does not start.
  await primary.restart(() => run('cp', ['-Rp', join(primary.folder, 'data'), data]).then(() => {}))
  for (const name of ['server.crt', 'server.key'])
    await copyFile(join(primary.folder, name), join(folder, name))
  await writeFile(join(data, 'standby.signal'), '')
  await appendFile(
    join(data, 'postgresql.auto.conf'),
    `primary_conninfo = '${connectionStringOf(primary)}'\n`,
  )
  giveToUnprivileged(folder, ['server.crt', 'server.key'])
  const standby = await startPostgresIn(folder, { ...primary, binaries, port })
  const sql = (statements: string) => runStatements(standby, statements)
  return {
    ...standby,
    async waitUntilCaughtUp() {
      const [now] = await runStatements(primary, 'select pg_current_wal_lsn()::text as position')
      await waitUntil(standby, `pg_last_wal_replay_lsn() >= '${now?.position}'`)
    },
    async cutOff() {
      await sql(`alter system set primary_conninfo = ''`)
      await sql('select pg_reload_conf()')
      await waitUntil(standby, 'not exists (select from pg_stat_wal_receiver)')
    },
    async promote() {
      // pg_promote waits 60 seconds at most and may return before the promotion is done:
      // https://www.postgresql.org/docs/current/functions-admin.html
      await sql('select pg_promote()')
      await waitUntil(standby, 'not pg_is_in_recovery()')
    },
  }
}

/**
 * The connection string by which a standby reaches its primary, without TLS: with TLS libpq would look for a certificate in the
 * home folder of the user that started this process, which the server may not enter where that user is root.
 */
const connectionStringOf = ({ host, port, superuser: { user, password } }: RunningPostgres) =>
  `host=${host} port=${port} user=${user} password=${password} sslmode=disable`

/** Waits until a condition in SQL is true, half a minute or more. @throws Error if it is not true then */
async function waitUntil(server: RunningPostgres, condition: string): Promise<void> {
  for (let tries = 1; tries <= 600; tries++) {
    const [found] = await runStatements(server, `select ${condition} as holds`)
    if (found?.holds) return
    await sleep(50)
  }
  throw new Error(`the server at port ${server.port} still does not say: ${condition}`)
}
