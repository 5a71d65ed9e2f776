import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { inject } from 'vitest'
import { randomHex } from '../../../local/servers/postgresDatabase.ts'
import { type RedisServer, startRedis } from '../../../local/servers/redis.ts'
import { admits, credentialFor, makeApp, runCommands } from '../../../local/servers/redisDatabase.ts'
import { Redis } from '../../../rotation/engines/redis/redis.ts'
import { passwordDigest } from '../../../rotation/engines/redis/redisAcl.ts'
import type { EngineSubject } from '../contracts/engine.ts'

/** Redis or Valkey for the engine contract. */
export function subjectOf(server: RedisServer): EngineSubject {
  const run = async (...commands: string[][]) => {
    await runCommands(server, commands)
  }
  const alter = (user: string, ...rules: string[]) => run(['ACL', 'SETUSER', user, ...rules])
  return {
    // Databases are numbers, and some users may not select one: redis.test.ts tests this.
    lacks: ['missing databases'],
    engine: options => new Redis({ caFile: server.caFile, ...options }),
    makeApp: options => makeApp(server, options),
    admits: credential => admits(server, credential),
    async logText(value) {
      await run(['SET', value, value])
      while (!this.logged().includes(value)) await sleep(5)
    },
    logged: () => readFileSync(server.logFile, 'utf8'),
    strangeCaFile: inject('postgres')[0]?.caFile ?? '',
    maxLengths: {
      // The server reads no longer argument from a client that has not logged in.
      password: 16_384,
      name: () => `${'ü'.repeat(500)}${randomHex()}`,
      cloned: () => `${'ü'.repeat(500)}${randomHex()}`,
    },
    noSpaces: true,
    async isEncrypted(user) {
      const clients = await runCommands<string>(server, [['CLIENT', 'LIST']])
      const [client] = clients.split('\n').filter(line => line.includes(` user=${user} `))
      return client?.includes(` laddr=127.0.0.1:${server.port} `) ?? false
    },
    async plainTextUser() {
      const user = `plain_${randomHex()}`
      await alter(user, 'on', `#${passwordDigest('p')}`)
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
      const user = `user_${randomHex()}`
      await runCommands(replica, [['ACL', 'SETUSER', user, 'on', `#${passwordDigest('p')}`]])
      return {
        engine: new Redis({ caFile: replica.caFile }),
        current: credentialFor(replica, user, 'p'),
        stop: () => replica.stop(),
      }
    },
    makeStranger: (_, clone, password) =>
      alter(clone, 'on', `#${passwordDigest(password)}`, '~stranger:*', '+publish'),
    makeSuperuser: (_, clone) => alter(clone, 'on', `#${passwordDigest('x')}`, '~*', '&*', '+@all'),
  }
}
