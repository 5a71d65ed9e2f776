import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { inject } from 'vitest'
import { hex } from '../../../local/servers/postgresDatabase.ts'
import { type RedisServer, startRedis } from '../../../local/servers/redis.ts'
import { admits, asSuperuser, credentialFor, makeApp } from '../../../local/servers/redisDatabase.ts'
import { Redis } from '../../../rotation/engines/redis/redis.ts'
import { digest } from '../../../rotation/engines/redis/redisAcl.ts'
import type { Subject } from '../contracts/engine.ts'

/** Redis or Valkey for the contract of engines. */
export function subjectOf(server: RedisServer): Subject {
  const run = async (...commands: string[][]) => {
    await asSuperuser(server, commands)
  }
  const alter = (user: string, ...rules: string[]) => run(['ACL', 'SETUSER', user, ...rules])
  return {
    // They are numbers, and not every user may choose one: redis.test.ts asks for that.
    without: ['missing databases'],
    engine: options => new Redis({ caFile: server.caFile, ...options }),
    makeApp: options => makeApp(server, options),
    admits: credential => admits(server, credential),
    async say(value) {
      await run(['SET', value, value])
      while (!this.logged().includes(value)) await sleep(5)
    },
    logged: () => readFileSync(server.logFile, 'utf8'),
    strangeCaFile: inject('postgres')[0]?.caFile ?? '',
    longest: {
      // More it does not read of who has not logged in yet.
      password: 16_384,
      name: () => `${'ü'.repeat(500)}${hex()}`,
      cloned: () => `${'ü'.repeat(500)}${hex()}`,
    },
    noSpaces: true,
    async encrypted(user) {
      const clients = await asSuperuser<string>(server, [['CLIENT', 'LIST']])
      const [client] = clients.split('\n').filter(line => line.includes(` user=${user} `))
      return client?.includes(` laddr=127.0.0.1:${server.port} `) ?? false
    },
    async plain() {
      const user = `plain_${hex()}`
      await alter(user, 'on', `#${digest('p')}`)
      return credentialFor({ ...server, port: server.plainPort }, user, 'p', { ssl: false })
    },
    withoutTls: received =>
      createServer(socket =>
        socket.on('data', bytes => {
          received(bytes)
          socket.end('-NOAUTH Authentication required.\r\n')
        }),
      ),
    disconnect: user => run(['CLIENT', 'KILL', 'USER', user]),
    queries: {
      good: 'GET shared:nothing',
      slow: 'XREAD BLOCK 5000 STREAMS shared:nothing 0',
      absent: ['NOSUCHCOMMAND', 'ERR unknown command'],
      forbidden: 'CONFIG GET *',
    },
    change: ({ user }) =>
      alter(
        user,
        '%R~shared:*',
        '&news',
        '+config|get',
        '-zadd',
        '-@geo',
        'skip-sanitize-payload',
        '(~own:* +@hash)',
      ),
    changeBack: ({ user }) =>
      alter(
        user,
        'clearselectors',
        'resetkeys',
        'resetchannels',
        '~other:*',
        '-config|get',
        '+zadd',
        '+@geo',
      ),
    giveStrayRole: (_, clone) => alter(clone, '~stray:*', '+client|kill'),
    twoPasswords: {},
    async standby() {
      const replica = await startRedis(server.packages, {
        settings: { replicaof: ['127.0.0.1', '1'] },
      })
      const user = `user_${hex()}`
      await asSuperuser(replica, [['ACL', 'SETUSER', user, 'on', `#${digest('p')}`]])
      return {
        engine: new Redis({ caFile: replica.caFile }),
        current: credentialFor(replica, user, 'p'),
        stop: () => replica.stop(),
      }
    },
    makeStranger: (_, clone, password) =>
      alter(clone, 'on', `#${digest(password)}`, '~stranger:*', '+publish'),
    makeSuperuser: (_, clone) => alter(clone, 'on', `#${digest('x')}`, '~*', '&*', '+@all'),
  }
}
