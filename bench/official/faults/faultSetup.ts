import { type Embedded, startEmbedded } from '../../../local/embedded/embedded.ts'
import { newestFlavourOf, startMysql } from '../../../local/servers/mysql.ts'
import type { OfficialPython } from '../host.ts'
import { adaptSource, type OfficialSource } from '../source.ts'
import { type Database, mysqlDatabase, postgresDatabase } from './databases.ts'
import type { Start } from './halfDone.ts'
import { OfficialProcesses } from './mortal.ts'
import { makeSetting, type SubjectSetting } from './subject.ts'

/** One kind of rotation on one server, by Keyturn's functions or by one of AWS's. */
export type Case = {
  /**
   * The server, the strategy and the state at the start, such as `PostgreSQL 18, alternating-users, first`, where `first` means
   * that the secret was never rotated. If AWS's function was changed, the title says so.
   */
  title: string
  setting: SubjectSetting
  /** The name under which AWS's function is loaded. */
  name: string
  /** Whether AWS's function can rotate. Unchanged, it ends with an error on a version of MySQL that it does not know. */
  rotates: boolean
}

/** What the tests with faults need. */
export type FaultSetup = {
  /** The servers, an imitation of Secrets Manager, and Keyturn's functions, all started by this process. */
  embedded: Embedded
  /** Runs AWS's functions, each rotation in a process of its own that can be made to die. */
  killableProcesses: OfficialProcesses
  cases: Case[]
}

/** The strategy, the state at the start, and which of AWS's functions rotates. */
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

/** Starts everything, with PostgreSQL only if this Python has a driver for it, and stops it after `use`. */
export async function withFaultSetup<T>(
  source: OfficialSource,
  python: OfficialPython,
  use: (setup: FaultSetup) => Promise<T>,
): Promise<T> {
  await using servers = new AsyncDisposableStack()
  const mysqlServers = await Promise.all(
    (['mysql', 'mariadb'] as const).map(async engine =>
      servers.adopt(await startMysql(newestFlavourOf(engine)), server => server.stop()),
    ),
  )
  const trust = mysqlServers.map(({ caFile }) => caFile)
  const embedded = servers.adopt(await startEmbedded({ trust }), embedded => embedded.stop())
  const killableProcesses = servers.use(new OfficialProcesses(python.bin, embedded.secretsManager.url))
  const databases = [
    ...(python.hasPostgresDriver ? [postgresDatabase(embedded.postgres)] : []),
    ...mysqlServers.map(mysqlDatabase),
  ]
  const cases: Case[] = []
  for (const database of databases)
    for (const { strategy, start, function: kind } of ROTATION_KINDS) {
      const setting = await makeSetting(embedded, database, strategy, start)
      const text = await source.read(database.engine, kind)
      for (const { suffix, rotates, options } of adaptationsFor(database)) {
        const name = `${database.engine} ${kind}${suffix}`
        await killableProcesses.load(name, adaptSource(text, database.caFile, options))
        cases.push({ title: `${database.name}, ${strategy}, ${start}${suffix}`, setting, name, rotates })
      }
    }
  return await use({ embedded, killableProcesses, cases })
}

/**
 * The variants of AWS's function that are loaded. It does not know MySQL 9, and ends with an error there. With `knowsMysql9`,
 * one string of its source text is changed, so that it treats MySQL 9 like MySQL 8: see adaptSource in source.ts.
 */
const adaptationsFor = ({
  engine,
}: Database): { suffix: string; rotates: boolean; options?: { knowsMysql9: boolean } }[] =>
  engine === 'mysql'
    ? [
        { suffix: ', one string changed', rotates: true, options: { knowsMysql9: true } },
        { suffix: ', as it is', rotates: false },
      ]
    : [{ suffix: '', rotates: true }]
