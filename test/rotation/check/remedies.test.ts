import { expect, test } from 'vitest'
import { runStatements } from '../../../local/servers/postgresDatabase.ts'
import { checkCredential } from '../../../rotation/check/check.ts'
import type { CheckLineName } from '../../../rotation/check/line.ts'
import { Postgres } from '../../../rotation/engines/postgres/postgres.ts'
import {
  app,
  id,
  pipeline,
  running,
  secondToken,
  server,
  setUpSecret,
  singleUserTags,
  store,
} from '../../support/oneSecret.ts'

const managed = { ...singleUserTags, 'keyturn:managed': 'true' }

/** @returns the remedy of one line of the secret's check */
async function remedyAt(name: CheckLineName): Promise<string | undefined> {
  const { lines } = await checkCredential(
    pipeline,
    { store: 'secrets-manager', id },
    {
      testMayWrite: false,
      loadCheckEngine: async (_, onCertificate) => new Postgres({ caFile: server.caFile, onCertificate }),
    },
  )
  return lines.find(({ line }) => line === name)?.remedy
}

test.each<[string, CheckLineName, object, RegExp]>([
  ['a database that is not there', 'login', { dbname: 'nowhere' }, /^Correct in the stored value/],
  ['a password that is another', 'login', { password: 'another' }, /^Store the password/],
  ['clear text, which the server does not take', 'tls', { ssl: false }, /^Take "ssl": false out/],
  ['a port that nobody listens at', 'port', { port: 1 }, /^Correct the port in the value, or start/],
])('the remedy of %s is that of the failure', async (_, line, more, remedy) => {
  await setUpSecret(managed, app.current.with(more))
  expect(await remedyAt(line)).toMatch(remedy)
})

test.each([
  ['may not log in', 'nologin', /^Let the role log in: ALTER ROLE … LOGIN/],
  ['has expired', "valid until '2020-01-01'", /VALID UNTIL is over/],
])('the remedy of a role that %s says what to do about that', async (_, alteration, remedy) => {
  await setUpSecret(managed)
  await runStatements(server, `alter role ${app.user} ${alteration}`)
  expect(await remedyAt('login')).toMatch(remedy)
})

test('the remedy for a wrong tag is to correct it, and without tags to enrol', async () => {
  for (const wrong of [{ 'keyturn:strategy': 'none' }, { 'keyturn:every': 'often' }]) {
    await setUpSecret({ ...managed, ...wrong })
    expect(await remedyAt('tags')).toBe('Correct the tag that is named.')
  }
  await setUpSecret(singleUserTags)
  expect(await remedyAt('tags')).toMatch(/^It has to be tagged keyturn:managed=true, as `keyturn enrol` does/)
})

test('the remedy for a dead rotation is to rotate, as in status', async () => {
  await setUpSecret(managed)
  await store.propose(id, secondToken, app.current)
  running.clear()
  expect(await remedyAt('pending')).toBe('Rotate it: that takes the pending version back first.')
})
