import { expect, test } from 'vitest'
import { asSuperuser } from '../../../local/servers/postgresDatabase.ts'
import { check } from '../../../rotation/check/check.ts'
import type { LineName } from '../../../rotation/check/line.ts'
import { Postgres } from '../../../rotation/engines/postgres/postgres.ts'
import { app, begin, id, pipeline, running, server, single, store, token } from '../../support/oneSecret.ts'

const managed = { ...single, 'keyturn:managed': 'true' }

/** What a check of the one secret says to do about a line. */
async function remedyAt(name: LineName): Promise<string | undefined> {
  const { lines } = await check(
    pipeline,
    { store: 'secrets-manager', id },
    {
      testMayWrite: false,
      engines: async (_, onCertificate) => new Postgres({ caFile: server.caFile, onCertificate }),
    },
  )
  return lines.find(({ line }) => line === name)?.remedy
}

test.each<[string, LineName, object, RegExp]>([
  ['a database that is not there', 'login', { dbname: 'nowhere' }, /^Correct in the stored value/],
  ['a password that is another', 'login', { password: 'another' }, /^Store the password/],
  ['clear text, which the server does not take', 'tls', { ssl: false }, /^Take "ssl": false out/],
  ['a port that nobody listens at', 'port', { port: 1 }, /^Correct the port in the value, or start/],
])('%s: the remedy is of what failed', async (_, line, more, remedy) => {
  await begin(managed, app.current.with(more))
  expect(await remedyAt(line)).toMatch(remedy)
})

test.each([
  ['may not log in', 'nologin', /^Let the role log in: ALTER ROLE … LOGIN/],
  ['has expired', "valid until '2020-01-01'", /VALID UNTIL is over/],
])('a role that %s: the remedy says it', async (_, alteration, remedy) => {
  await begin(managed)
  await asSuperuser(server, `alter role ${app.user} ${alteration}`)
  expect(await remedyAt('login')).toMatch(remedy)
})

test('a tag that is wrong is to be corrected, and nothing else; what has none is to be enrolled', async () => {
  for (const wrong of [{ 'keyturn:strategy': 'none' }, { 'keyturn:every': 'often' }]) {
    await begin({ ...managed, ...wrong })
    expect(await remedyAt('tags')).toBe('Correct the tag that is named.')
  }
  await begin(single)
  expect(await remedyAt('tags')).toMatch(/^It has to be tagged keyturn:managed=true, as `keyturn enrol` does/)
})

test('what a rotation left that died is to be rotated, as status says', async () => {
  await begin(managed)
  await store.propose(id, token, app.current)
  running.clear()
  expect(await remedyAt('pending')).toBe('Rotate it: that takes the pending version back first.')
})
