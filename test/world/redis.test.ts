import { afterAll, describe, expect, inject, test } from 'vitest'
import { startRedis } from '../../local/servers/redis.ts'
import { runCommands } from '../../local/servers/redisDatabase.ts'
import { redisTestServer } from '../support/testServers.ts'
import { generalEntries } from './generalEntries.ts'
import { coveredFields, openCommander, redisEntries } from './redisEntries.ts'
import { worldMatrix } from './world.ts'

const servers = inject('redis')

/** One of its own, as some states are a server's: the newest. */
for (const { packages } of servers.slice(-1)) {
  const server = await startRedis(packages)
  const { run, end } = await openCommander(server)
  afterAll(async () => {
    end()
    await server.stop()
  })
  worldMatrix(redisTestServer(server), [...generalEntries(), ...redisEntries(server, run)])
}

describe.skipIf(!servers.length).each(servers)('$name', server => {
  test('all that it tells of a user is changed by an entry', async () => {
    const made = ['ACL', 'SETUSER', 'told', 'on', 'nopass', '~*', '&*', '+@all']
    const fields = await runCommands<unknown[]>(server, [made, ['ACL', 'GETUSER', 'told']])
    const names = fields.filter((_, i) => i % 2 === 0) as string[]
    const off = ['ACL', 'SETUSER', 'told', 'off', 'skip-sanitize-payload']
    const others = await runCommands<unknown[]>(server, [off, ['ACL', 'GETUSER', 'told']])
    await runCommands(server, [['ACL', 'DELUSER', 'told']])
    const flags = [fields, others].flatMap(told => told[told.indexOf('flags') + 1] as string[])
    expect(names.length).toBeGreaterThan(4)
    expect(flags.length).toBeGreaterThan(4)
    for (const told of [...names, ...flags.map(flag => `flags ${flag}`)])
      expect(coveredFields).toContain(told)
  })
})
