import type { RedisArgument } from '@redis/client'
import { type App, randomHex } from '../../../local/servers/postgresDatabase.ts'
import type { RedisServer } from '../../../local/servers/redis.ts'
import { credentialFor, runCommands } from '../../../local/servers/redisDatabase.ts'
import type { Credential } from '../../../rotation/credential.ts'
import { Redis } from '../../../rotation/engines/redis/redis.ts'
import { passwordDigest } from '../../../rotation/engines/redis/redisAcl.ts'
import { connect } from '../../../rotation/engines/redis/redisConnection.ts'
import { AlternatingUsers } from '../../../rotation/strategies/alternatingUsers.ts'

const { pairOf } = new AlternatingUsers()

/** Helpers for tests on one Redis or Valkey server. */
export function sceneOf(server: RedisServer) {
  const engine = new Redis({ caFile: server.caFile, testMayWrite: true })
  const run = <T = unknown>(...commands: string[][]) => runCommands<T>(server, commands)
  const alter = (user: string, ...rules: string[]) => run(['ACL', 'SETUSER', user, ...rules])
  const lineOf = async (user: string) =>
    (await run<string[]>(['ACL', 'LIST'])).find(line => line.startsWith(`user ${user} `))

  /** Makes a user with these ACL rules. @returns a value for it */
  async function makeUser(...rules: string[]): Promise<Credential> {
    const user = `user_${randomHex()}`
    await alter(user, 'on', `#${passwordDigest('first')}`, ...rules)
    return credentialFor(server, user, 'first')
  }

  /** @returns the clone of an app's user, a function that makes or updates it, and one that compares it with the user */
  async function makeClone(app: App, by = engine) {
    const both = pairOf(app.user)
    const clone = app.current.with({ username: both.clone, password: `clone-${randomHex(8)}` })
    const sync = async (open = clone) => {
      await using session = await by.login(app.admin)
      await session.openUser(both, { user: open.username, password: open.password })
    }
    const differences = async () => {
      await using session = await engine.login(clone)
      return await session.differences(both)
    }
    return { both, clone, sync, differences }
  }

  /** Makes an engine that keeps the commands that it sends in `sent`, and calls `before` with each before it sends it. */
  function watched(before: (command: string[]) => Promise<unknown> | undefined = () => undefined) {
    const sent: string[][] = []
    const watching = new Redis({
      caFile: server.caFile,
      async connect(target) {
        const connection = await connect(target)
        const send = connection.sendCommand.bind(connection)
        connection.sendCommand = async <T>(command: readonly RedisArgument[]) => {
          const words = command.map(String)
          sent.push(words)
          await before(words)
          return send<T>(command)
        }
        return connection
      },
    })
    return { sent, watching }
  }
  return { engine, run, alter, lineOf, makeUser, makeClone, watched }
}
