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

export type PostgresStandby = RunningPostgres & {
  /** Waits until it has all that its primary has by now. */
  waitUntilCaughtUp(): Promise<void>
  /** Keeps it from hearing more of its primary. What it has heard stays. */
  cutOff(): Promise<void>
  /** Makes it a primary of its own: it takes changes from then on. */
  promote(): Promise<void>
}

/**
 * Starts a copy of a running PostgreSQL that follows it and is read-only, as a read replica is. It has the primary's
 * users, passwords and certificate, and a port and a folder of its own, and ends as any such server does. The primary is
 * restarted, so its sessions end. The port is a free one, unless `port` is given.
 */
export async function startStandbyOf(
  primary: RunningPostgres,
  { port }: { port?: number } = {},
): Promise<PostgresStandby> {
  const folder = await mkdtemp(join(tmpdir(), `keyturn-postgres-${primary.version}-standby-`))
  const data = join(folder, 'data')
  const binaries = unpackPostgres(primary.version, folder)
  // With the owner and the rights of each file: the server refuses others.
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
      // It may answer that it waited long enough.
      await sql('select pg_promote()')
      await waitUntil(standby, 'not pg_is_in_recovery()')
    },
  }
}

/**
 * How the standby reaches its primary, in the words of PostgreSQL's own library. Without TLS: for that it would look for
 * a certificate in the home of whoever started this, which it may not enter where that is root.
 */
const connectionStringOf = ({ host, port, superuser: { user, password } }: RunningPostgres) =>
  `host=${host} port=${port} user=${user} password=${password} sslmode=disable`

/** @throws if it is not so in time */
async function waitUntil(server: RunningPostgres, condition: string): Promise<void> {
  for (let tries = 1; tries <= 600; tries++) {
    const [found] = await runStatements(server, `select ${condition} as so`)
    if (found?.so) return
    await sleep(50)
  }
  throw new Error(`the server at port ${server.port} still does not say: ${condition}`)
}
