import { type Embedded, startEmbedded } from '../../../local/embedded/embedded.ts'
import { newestFlavourOf, startMysql } from '../../../local/servers/mysql.ts'
import type { OfficialPython } from '../host.ts'
import { adaptSource, type OfficialSource } from '../source.ts'
import { type Database, mysqlDatabase, postgresDatabase } from './databases.ts'
import type { Start } from './halfDone.ts'
import { OfficialProcesses } from './mortal.ts'
import { makeSetting, type SubjectSetting } from './subject.ts'

/** One kind of rotation on one server, by Keyturn's functions and by one of AWS's. */
export type Case = {
  /** Such as `PostgreSQL 18, alternating-users, first`, and what was changed in AWS's function, if something was. */
  title: string
  setting: SubjectSetting
  /** The name under which AWS's function is loaded. */
  name: string
  /** False for AWS's function as it is on a MySQL that it does not know: there a first try ends with an error. */
  rotates: boolean
}

/** Servers, Secrets Manager, the functions of Keyturn in this process and those of AWS in others. */
export type FaultSetup = { embedded: Embedded; mortals: OfficialProcesses; cases: Case[] }

const ROTATION_KINDS = [
  { strategy: 'single-user', start: 'settled', function: 'single' },
  { strategy: 'alternating-users', start: 'first', function: 'alternating' },
  { strategy: 'alternating-users', start: 'settled', function: 'alternating' },
  { strategy: 'alternating-users', start: 'on the clone', function: 'alternating' },
] as const satisfies {
  strategy: SubjectSetting['strategy']
  start: Start
  function: 'single' | 'alternating'
}[]

/** Starts all of it, PostgreSQL where this Python has its driver, and stops it after `use`. */
export async function withFaultSetup<T>(
  source: OfficialSource,
  python: OfficialPython,
  use: (ground: FaultSetup) => Promise<T>,
): Promise<T> {
  await using servers = new AsyncDisposableStack()
  const others = await Promise.all(
    (['mysql', 'mariadb'] as const).map(async engine =>
      servers.adopt(await startMysql(newestFlavourOf(engine)), server => server.stop()),
    ),
  )
  const trust = others.map(({ caFile }) => caFile)
  const embedded = servers.adopt(await startEmbedded({ trust }), embedded => embedded.stop())
  const mortals = servers.use(new OfficialProcesses(python.bin, embedded.secretsManager.url))
  const databases = [
    ...(python.hasPostgresDriver ? [postgresDatabase(embedded.postgres)] : []),
    ...others.map(mysqlDatabase),
  ]
  const cases: Case[] = []
  for (const database of databases)
    for (const { strategy, start, function: kind } of ROTATION_KINDS) {
      const setting = await makeSetting(embedded, database, strategy, start)
      const text = await source.read(database.engine, kind)
      for (const { suffix, rotates, knowsMysql9 } of adaptationsFor(database)) {
        const name = `${database.engine} ${kind}${suffix}`
        await mortals.load(name, adaptSource(text, database.caFile, { knowsMysql9 }))
        cases.push({ title: `${database.name}, ${strategy}, ${start}${suffix}`, setting, name, rotates })
      }
    }
  return await use({ embedded, mortals, cases })
}

/** How AWS's function is changed. MySQL's rotates nothing here without the one string. */
const adaptationsFor = ({ engine }: Database) =>
  engine === 'mysql'
    ? [
        { suffix: ', one string changed', rotates: true, knowsMysql9: true },
        { suffix: ', as it is', rotates: false, knowsMysql9: false },
      ]
    : [{ suffix: '', rotates: true, knowsMysql9: false }]
