import { expect, test } from 'vitest'
import { runStatements } from '../../../local/servers/postgresDatabase.ts'
import { checkCredential } from '../../../rotation/check/check.ts'
import { Postgres } from '../../../rotation/engines/postgres/postgres.ts'
import { app, id, pipeline, server, setUpSecret } from '../../support/oneSecret.ts'

test('the statement that the check recommends allows an admin to change the user', async () => {
  await setUpSecret({ 'keyturn:managed': 'true', 'keyturn:strategy': 'alternating-users' })
  const looks = {
    testMayWrite: false,
    loadCheckEngine: async () => new Postgres({ caFile: server.caFile }),
  }
  const privileges = async () =>
    (await checkCredential(pipeline, { store: 'secrets-manager', id }, looks)).lines.find(
      ({ line }) => line === 'privileges',
    )
  await runStatements(server, `revoke ${app.user} from ${app.admin.username} cascade`)
  const refused = await privileges()
  expect(refused).toMatchObject({ state: 'failed', error: 'NotPermitted' })
  const [statement = ''] = /GRANT .* WITH ADMIN OPTION/.exec(refused?.says ?? '') ?? []
  expect(statement).toBe(`GRANT ${app.user} TO ${app.admin.username} WITH ADMIN OPTION`)
  await runStatements(server, statement)
  expect(await privileges()).toMatchObject({ state: 'ok' })
})
