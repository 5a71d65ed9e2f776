import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, inject, test } from 'vitest'
import { makeCertificate } from '../../../../local/servers/certificate.ts'
import { randomHex } from '../../../../local/servers/postgresDatabase.ts'
import { credentialFor, makeApp } from '../../../../local/servers/redisDatabase.ts'
import type { Credential } from '../../../../rotation/credential.ts'
import type { UserPair } from '../../../../rotation/engines/engine.ts'
import { Redis } from '../../../../rotation/engines/redis/redis.ts'
import { RotationError } from '../../../../rotation/errors.ts'
import { withChange } from '../../../support/contracts/engine.ts'
import { expectNamedErrors } from '../../../support/engines/expectNamedErrors.ts'
import {
  garbage,
  listenLocally,
  makeGarble,
  seededRandom,
  startProxy,
} from '../../../support/garblingProxy.ts'

const folder = await mkdtemp(join(tmpdir(), 'keyturn-garbage-'))
afterAll(() => rm(folder, { recursive: true }))
const { caFile, keyFile } = await makeCertificate(folder)
const certificate = { cert: readFileSync(caFile), key: readFileSync(keyFile) }
const TIMEOUT = 100
const engineWith = (caFile: string) =>
  new Redis({ caFile, connectTimeout: TIMEOUT, statementTimeout: TIMEOUT })
const engine = engineWith(caFile)
const ways = [
  ['in clear text', false],
  ['over TLS', true],
] as const

/** Calls of every method that a session has, each for a session of its own. */
const doings = (pair: UserPair) =>
  [
    session => session.requirePasswordCheck(),
    session => session.isStandby(),
    session => session.setPassword(pair.user, 'next'),
    session => session.openUser(pair, { user: pair.clone, password: 'turn' }),
    session => session.openUser(pair, { user: pair.user, password: 'back' }),
    session => session.dualPassword.add(pair.user, 'next', 'back'),
    session => session.closeUser(pair.clone, pair),
    session => session.differences(pair),
    session => session.runTestQuery('PING'),
    session => session.dropClone(pair),
  ] satisfies ((session: Awaited<ReturnType<Redis['login']>>) => Promise<unknown>)[]

async function attempt(credential: Credential, pair: UserPair, by = engine): Promise<unknown[]> {
  const errors: unknown[] = []
  await Promise.all(
    doings(pair).map(async act => {
      try {
        await using session = await by.login(credential)
        await act(session)
      } catch (error) {
        errors.push(error)
      }
    }),
  )
  return errors
}

describe.each(ways)('%s', (_, tls) => {
  const value = (port: number) => credentialFor({ host: 'localhost', port }, 'app', 'secret', { ssl: tls })

  /** Answers each command by the next of these, and the last of them again and again. */
  const playing =
    (...answers: Buffer[]) =>
    (socket: Socket) => {
      let told = 0
      socket.on('data', () => {
        socket.write(answers[Math.min(told++, answers.length - 1)] ?? '')
      })
    }
  const listing = Buffer.from('*2\r\n$19\r\nuser app on #0 +get\r\n$25\r\nuser app_clone on #0 +get\r\n')
  const ok = Buffer.from('+OK\r\n')

  test('every error has a name if the server sends garbage at any point of a session', async () => {
    const pair = { user: 'app', clone: 'app_clone' }
    const play = async (script: (socket: Socket) => void) => {
      const server = await listenLocally(script, tls ? certificate : undefined)
      try {
        return await attempt(value(server.port), pair)
      } finally {
        server.stop()
      }
    }
    const before = [[], [ok], [ok, ok], [ok, listing], [ok, listing, ok], [ok, listing, ok, ok]]
    for (const [name, said] of garbage) {
      const scripts = [
        (socket: Socket) => void socket.write(said),
        (socket: Socket) => void socket.end(said),
        ...before.map(answers => playing(...answers, said)),
      ]
      await expectNamedErrors(async () => (await Promise.all(scripts.map(play))).flat(), name)
    }
  })

  test.each([':1', '*1\r\n:1', '*1\r\n+text', '*1\r\n*1\r\n:1', '*1\r\n*3\r\n+ping\r\n:1\r\n:1', '*0'])(
    'a query that the server does not describe legibly counts as one that writes, and is not run: %j',
    async told => {
      const sent: string[] = []
      const server = await listenLocally(
        socket =>
          socket.on('data', data => {
            sent.push(`${data}`)
            socket.write(`${data}`.includes('COMMAND') ? `${told}\r\n` : ok)
          }),
        tls ? certificate : undefined,
      )
      await using session = await new Redis({ caFile }).login(value(server.port))
      await expect(session.runTestQuery('PING')).rejects.toMatchObject({ name: 'TestFailed' })
      expect(sent.at(-1)).toContain('COMMAND')
      server.stop()
    },
  )

  test.each(['*0', '*1\r\n+role', '*2\r\n+role\r\n+constructor', '*2\r\n+role\r\n*0', '+OK'])(
    'isStandby throws DatabaseFailed if the server names no role: %j',
    async told => {
      const server = await listenLocally(
        playing(ok, Buffer.from(`${told}\r\n`)),
        tls ? certificate : undefined,
      )
      await using session = await new Redis({ caFile }).login(value(server.port))
      await expect(session.isStandby()).rejects.toMatchObject({ name: 'DatabaseFailed' })
      server.stop()
    },
  )

  test('a server that sends a byte now and then, but no answer, throws Unreachable', async () => {
    const server = await listenLocally(
      socket => {
        const drip = setInterval(() => socket.write('+'), TIMEOUT / 5)
        socket.on('close', () => clearInterval(drip))
      },
      tls ? certificate : undefined,
    )
    const begun = Date.now()
    await expect(engine.login(value(server.port))).rejects.toMatchObject({ name: 'Unreachable' })
    expect(Date.now() - begun).toBeLessThan(4 * TIMEOUT)
    server.stop()
  })
})

const [redis] = inject('redis')
if (redis)
  test.each([
    ['in clear text', redis.plainPort, undefined],
    ['inside TLS', redis.plainPort, certificate],
    ['of TLS itself', redis.port, undefined],
  ] as const)('every error has a name if real answers are broken on the way, %s', async (_, port, own) => {
    const seed = randomHex()
    const app = await makeApp(redis)
    const pair = { user: app.user, clone: `${app.user}_clone` }
    let run = 0
    const proxy = await startProxy(port, () => makeGarble(seededRandom(`${seed} ${run++}`)), own)
    const ssl = own !== undefined || port === redis.port
    const admin = withChange(app.admin, { host: 'localhost', port: proxy.port, ssl })
    const trusting = own ? engine : engineWith(redis.caFile)
    await expectNamedErrors(async () => {
      const all = Array.from({ length: 25 }, () => attempt(admin, pair, trusting))
      return (await Promise.all(all)).flat()
    }, `seed ${seed}`)
    proxy.stop()
  })

test.each(['a'.repeat(300), 'no such host', '..', 'a\nb', '\ud800'])(
  'the impossible host %j throws a RotationError',
  async host => {
    for (const ssl of [true, false])
      await expect(
        engine.login(credentialFor({ host, port: 6379 }, 'app', 'secret', { ssl })),
      ).rejects.toBeInstanceOf(RotationError)
  },
)
