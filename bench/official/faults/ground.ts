import { type Embedded, startEmbedded } from '../../../local/embedded/embedded.ts'
import { newestOf, startMysql } from '../../../local/servers/mysql.ts'
import type { Python } from '../host.ts'
import { adapted, type Source } from '../source.ts'
import { type Database, onMysql, onPostgres } from './databases.ts'
import type { Start } from './halfDone.ts'
import { Mortals } from './mortal.ts'
import { makeSetting, type Setting } from './subject.ts'

/** One kind of rotation on one server, by Keyturn's functions and by one of AWS's. */
export type Case = {
  /** Such as `PostgreSQL 18, alternating-users, first`. */
  title: string
  setting: Setting
  /** The name under which AWS's function is loaded. */
  name: string
}

/** Servers, Secrets Manager, the functions of Keyturn in this process and those of AWS in others. */
export type Ground = { embedded: Embedded; mortals: Mortals; cases: Case[] }

const kinds = [
  { strategy: 'single-user', start: 'settled', function: 'single' },
  { strategy: 'alternating-users', start: 'first', function: 'alternating' },
  { strategy: 'alternating-users', start: 'settled', function: 'alternating' },
  { strategy: 'alternating-users', start: 'on the clone', function: 'alternating' },
] as const satisfies { strategy: Setting['strategy']; start: Start; function: 'single' | 'alternating' }[]

/** Starts all of it, PostgreSQL where this Python has its driver, and stops it after `use`. */
export async function onGround<T>(
  source: Source,
  python: Python,
  use: (ground: Ground) => Promise<T>,
): Promise<T> {
  await using servers = new AsyncDisposableStack()
  const others = await Promise.all(
    (['mysql', 'mariadb'] as const).map(async engine =>
      servers.adopt(await startMysql(newestOf(engine)), server => server.stop()),
    ),
  )
  const trust = others.map(({ caFile }) => caFile)
  const embedded = servers.adopt(await startEmbedded({ trust }), embedded => embedded.stop())
  const mortals = servers.use(new Mortals(python.bin, embedded.secretsManager.url))
  const databases = [...(python.postgres ? [onPostgres(embedded.postgres)] : []), ...others.map(onMysql)]
  const cases: Case[] = []
  for (const database of databases)
    for (const { strategy, start, function: kind } of kinds) {
      const name = `${database.engine} ${kind}`
      await mortals.load(name, await textOf(source, database, kind))
      const setting = await makeSetting(embedded, database, strategy, start)
      cases.push({ title: `${database.name}, ${strategy}, ${start}`, setting, name })
    }
  return await use({ embedded, mortals, cases })
}

/** MySQL's with the one string changed, without which it rotates nothing here. */
async function textOf(source: Source, { engine, caFile }: Database, kind: 'single' | 'alternating') {
  return adapted(await source.read(engine, kind), caFile, { knowsMysql9: engine === 'mysql' })
}
