import { afterAll, expect, test } from 'vitest'
import { mysqlPlace } from '../faults/places.ts'
import { asSuperuser } from '../mysqlDatabase.ts'
import { startMysql } from '../servers/mysql.ts'
import { generalEntries } from './generalEntries.ts'
import { mysqlEntries } from './mysqlEntries.ts'
import { worldMatrix } from './world.ts'

/** What is in mysql.user, or in what one of its columns holds, and no entry is about; why not. */
const excused: Record<string, string> = {
  version_id: 'which MariaDB wrote the account',
}

/** Plays the world of a server of its own, as some states are a server's, and asks it for what an account consists of. */
export async function mysqlWorld(flavour: Parameters<typeof startMysql>[0]): Promise<void> {
  const server = await startMysql(
    flavour,
    flavour.engine === 'mysql' ? { plugin_load_add: 'auth_socket.so' } : {},
  )
  afterAll(() => server.stop())
  const entries = mysqlEntries(server)
  const place = mysqlPlace(server)

  test(`${place.name}: each column of mysql.user, and each key in one, is an entry or excused`, async () => {
    const columns = await asSuperuser<{ Field: string }>(server, 'show columns from mysql.user')
    const documents =
      server.engine === 'mysql'
        ? 'select json_keys(user_attributes) as found from mysql.user'
        : 'select json_keys(priv) as found from mysql.global_priv'
    const keys = (await asSuperuser<{ found: string | string[] | null }>(server, documents)).flatMap(
      ({ found }) => (typeof found === 'string' ? (JSON.parse(found) as string[]) : (found ?? [])),
    )
    // What an account may do on the whole server is one entry.
    const parts = [...columns.map(({ Field }) => Field), ...keys].filter(part => !part.endsWith('_priv'))
    const covered = new Set([...entries.flatMap(({ covers = [] }) => covers), ...Object.keys(excused)])
    expect(parts.filter(part => !covered.has(part))).toEqual([])
    expect(parts.length).toBeGreaterThan(20)
  })

  worldMatrix(place, [...generalEntries(), ...entries])
}
