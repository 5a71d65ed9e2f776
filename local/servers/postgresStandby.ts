import { execFile } from 'node:child_process'
import { appendFile, copyFile, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type RunningPostgres, startIn, unpack } from './postgres.ts'
import { asSuperuser } from './postgresDatabase.ts'
import { own } from './unprivileged.ts'

const run = promisify(execFile)

export type PostgresStandby = RunningPostgres & {
  /** Waits until it has all that its primary has by now. */
  caughtUp(): Promise<void>
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
  const binaries = unpack(primary.version, folder)
  // With the owner and the rights of each file: the server refuses others.
  await primary.restart(() => run('cp', ['-Rp', join(primary.folder, 'data'), data]).then(() => {}))
  for (const name of ['server.crt', 'server.key'])
    await copyFile(join(primary.folder, name), join(folder, name))
  await writeFile(join(data, 'standby.signal'), '')
  await appendFile(join(data, 'postgresql.auto.conf'), `primary_conninfo = '${wayTo(primary)}'\n`)
  own(folder, ['server.crt', 'server.key'])
  const standby = await startIn(folder, { ...primary, binaries, port })
  const sql = (statements: string) => asSuperuser(standby, statements)
  return {
    ...standby,
    async caughtUp() {
      const [now] = await asSuperuser(primary, 'select pg_current_wal_lsn()::text as position')
      await until(standby, `pg_last_wal_replay_lsn() >= '${now?.position}'`)
    },
    async cutOff() {
      await sql(`alter system set primary_conninfo = ''`)
      await sql('select pg_reload_conf()')
      await until(standby, 'not exists (select from pg_stat_wal_receiver)')
    },
    async promote() {
      // It may answer that it waited long enough.
      await sql('select pg_promote()')
      await until(standby, 'not pg_is_in_recovery()')
    },
  }
}

/**
 * How the standby reaches its primary, in the words of PostgreSQL's own library. Without TLS: for that it would look for
 * a certificate in the home of whoever started this, which it may not enter where that is root.
 */
const wayTo = ({ host, port, superuser: { user, password } }: RunningPostgres) =>
  `host=${host} port=${port} user=${user} password=${password} sslmode=disable`

/** @throws if it is not so in time */
async function until(server: RunningPostgres, condition: string): Promise<void> {
  for (let tries = 1; tries <= 600; tries++) {
    const [found] = await asSuperuser(server, `select ${condition} as so`)
    if (found?.so) return
    await sleep(50)
  }
  throw new Error(`the server at port ${server.port} still does not say: ${condition}`)
}
