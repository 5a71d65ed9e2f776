import { existsSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { type RunningPostgres, startPostgres } from '../../../local/servers/postgres.ts'
import { admits, makeApp, runStatements } from '../../../local/servers/postgresDatabase.ts'
import { startStandbyOf } from '../../../local/servers/postgresStandby.ts'
import { Postgres } from '../../../rotation/engines/postgres/postgres.ts'
import { withChange } from '../../support/contracts/engine.ts'

const started: RunningPostgres[] = []
afterEach(async () => {
  const servers = started.splice(0)
  await Promise.all(servers.map(server => server.stop()))
  expect(servers.filter(({ folder }) => existsSync(folder))).toEqual([])
})

async function startPair() {
  const primary = await startPostgres()
  started.push(primary)
  const before = await makeApp(primary)
  const standby = await startStandbyOf(primary)
  started.push(standby)
  return { primary, standby, before }
}

test('a standby follows its primary until it is cut off, and accepts changes after its promotion', async () => {
  const { primary, standby, before } = await startPair()
  const engine = new Postgres({ caFile: standby.caFile })
  const there = (credential = before.current) => withChange(credential, { port: standby.port })
  const { current, user } = await makeApp(primary)
  await standby.waitUntilCaughtUp()
  {
    await using session = await engine.login(there(current))
    expect(await session.isStandby()).toBe(true)
    await expect(session.setPassword(user, 'x')).rejects.toMatchObject({ name: 'Unreachable' })
    await using atPrimary = await engine.login(current)
    expect(await atPrimary.isStandby()).toBe(false)
  }

  await standby.cutOff()
  const next = current.with({ password: 'the standby never hears of it' })
  {
    await using session = await engine.login(current)
    await session.setPassword(user, next.password)
  }
  await primary.kill()
  await expect(engine.login(next)).rejects.toMatchObject({ name: 'Unreachable' })

  await standby.promote()
  expect(await admits(standby, there(next))).toBe(false)
  await using session = await engine.login(there(current))
  expect(await session.isStandby()).toBe(false)
  await session.setPassword(user, 'x')
  expect(await admits(standby, there(current.with({ password: 'x' })))).toBe(true)
  expect(await admits(standby, there())).toBe(true)

  // The old primary comes back with all its data, as a lost Region might.
  await primary.restart()
  expect(await admits(primary, next)).toBe(true)
  expect(await runStatements(primary, 'select pg_is_in_recovery() as standby')).toEqual([{ standby: false }])
})
