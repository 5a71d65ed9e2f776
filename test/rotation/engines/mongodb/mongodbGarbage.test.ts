import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BSON, type Document } from 'mongodb'
import { afterAll, describe, expect, inject, test } from 'vitest'
import { makeCertificate } from '../../../../local/servers/certificate.ts'
import { makeApp } from '../../../../local/servers/mongodbDatabase.ts'
import { randomHex } from '../../../../local/servers/postgresDatabase.ts'
import { Credential } from '../../../../rotation/credential.ts'
import type { UserPair } from '../../../../rotation/engines/engine.ts'
import { Mongodb } from '../../../../rotation/engines/mongodb/mongodb.ts'
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
const TIMEOUT = 300
const engineWith = (caFile: string) =>
  new Mongodb({ caFile, connectTimeout: TIMEOUT, statementTimeout: TIMEOUT })
const engine = engineWith(caFile)
const value = (more: Document) =>
  Credential.parse(
    JSON.stringify({ engine: 'mongo', host: 'localhost', username: 'app', password: 'secret', ...more }),
  )
type MongodbSession = Awaited<ReturnType<Mongodb['login']>>

/** Calls of every method that a session has, each for a session of its own. */
const doings = (pair: UserPair, credential: Credential) =>
  [
    session => session.setPassword(pair.user, 'next'),
    session => session.openUser(pair, { user: pair.clone, password: 'turn' }),
    session => session.openUser(pair, { user: pair.user, password: 'back' }),
    session => session.closeUser(pair.clone, pair),
    session => session.differences(pair, async () => credential),
    session => session.runTestQuery('keyturn.health'),
    session => session.dropClone(pair),
  ] satisfies ((session: MongodbSession) => Promise<unknown>)[]

async function attempt(credential: Credential, pair: UserPair, by = engine): Promise<unknown[]> {
  const errors: unknown[] = []
  await Promise.all(
    doings(pair, credential).map(async act => {
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

/** A message of MongoDB's protocol. */
function message(document: Document): Buffer {
  const body = Buffer.from(BSON.serialize(document))
  const head = Buffer.alloc(21)
  head.writeInt32LE(head.length + body.length)
  head.writeInt32LE(1, 4)
  head.writeInt32LE(1, 8)
  head.writeInt32LE(2013, 12)
  return Buffer.concat([head, body])
}

const hello = { ok: 1, isWritablePrimary: true, minWireVersion: 0, maxWireVersion: 21 }
const scram = (payload: unknown) => ({
  ...hello,
  speculativeAuthenticate: { conversationId: 1, done: false, payload },
})
const binary = (text: string) => new BSON.Binary(Buffer.from(text))
/** Answers to a driver's greeting. All that the driver sends after it is answered by `{ ok: 1 }`. */
const oddGreetings: [string, Document][] = [
  ['an empty document', {}],
  ['a mere ok', { ok: 1 }],
  ['an error without a code', { ok: 0 }],
  ['an error with an odd code', { ok: 0, code: 'x', errmsg: { secret: 1 } }],
  ['a version of the wrong type', { ...hello, maxWireVersion: 'x' }],
  ['mechanisms of the wrong type', { ...hello, saslSupportedMechs: 7 }],
  ['mechanisms that nobody asked for', { ...hello, saslSupportedMechs: ['GSSAPI', 'PLAIN', 'MONGODB-OIDC'] }],
  ['hosts of the wrong type', { ...hello, setName: 'rs', hosts: 5, passives: {}, arbiters: 'x', primary: 7 }],
  ['a primary of the wrong type', { ...hello, isWritablePrimary: false, primary: { toString: 1 } }],
  ['an arbiter', { ...hello, isWritablePrimary: false, arbiterOnly: true, setName: 'rs' }],
  ['a session time of the wrong type', { ...hello, logicalSessionTimeoutMinutes: 'x', topologyVersion: 5 }],
  ['a cluster time of the wrong type', { ...hello, $clusterTime: 7, operationTime: 'x' }],
  ['a compressor', { ...hello, compression: ['zlib', 'x', 5] }],
  ['a proof without a payload', scram(undefined)],
  ['a proof that is a number', scram(7)],
  ['a proof that is a text', scram('r=x,s=x,i=1')],
  ['an empty proof', scram(binary(''))],
  ['a proof without a nonce', scram(binary('s=YWJj,i=4096'))],
  ['a proof without a salt', scram(binary('r=abc,i=4096'))],
  ['a proof without a count', scram(binary('r=abc,s=YWJj'))],
  ['a proof with a low count', scram(binary('r=abc,s=YWJj,i=1'))],
  ['a proof with an impossible count', scram(binary('r=abc,s=YWJj,i=99999999999999'))],
  ['a proof with a count that takes minutes', scram(binary('r=abc,s=YWJj,i=500000000'))],
  ['a proof with another nonce', scram(binary('r=nonce,s=YWJj,i=4096'))],
]

describe.each([
  ['in clear text', false],
  ['over TLS', true],
] as const)('%s', (_, tls) => {
  async function play(script: (socket: Socket) => void): Promise<unknown[]> {
    const server = await listenLocally(script, tls ? certificate : undefined)
    try {
      await using _ = await engine.login(value({ port: server.port, ssl: tls }))
      return []
    } catch (error) {
      return [error]
    } finally {
      server.stop()
    }
  }

  test('every error has a name if the server sends garbage', async () => {
    for (const [name, said] of garbage) {
      const scripts = [
        (socket: Socket) => void socket.write(said),
        (socket: Socket) => void socket.end(said),
        (socket: Socket) => void socket.on('data', () => socket.write(said)),
        (socket: Socket) =>
          void socket
            .once('data', () => socket.write(message(hello)))
            .on('data', () => setImmediate(() => socket.write(said))),
      ]
      await expectNamedErrors(async () => (await Promise.all(scripts.map(play))).flat(), name)
    }
  })

  test('every error has a name after an odd greeting, and no login waits longer than its timeout', async () => {
    const begun = Date.now()
    await Promise.all(
      oddGreetings.map(async ([name, greeting]) => {
        const script = (socket: Socket) => {
          let told = 0
          socket.on('data', () => socket.write(message(told++ ? { ok: 1 } : greeting)))
        }
        await expectNamedErrors(() => play(script), name)
      }),
    )
    expect(Date.now() - begun).toBeLessThan(15_000)
  })
})

const [documentdb] = inject('mongodb')
if (documentdb)
  test.each([
    ['in clear text', undefined, false],
    ['inside TLS', certificate, true],
    ['of TLS itself', undefined, true],
  ] as const)('every error has a name if real answers are broken on the way, %s', async (_, own, ssl) => {
    const seed = randomHex()
    const app = await makeApp(documentdb)
    const pair = { user: app.user, clone: `${app.user}_clone` }
    let run = 0
    const proxy = await startProxy(documentdb.port, () => makeGarble(seededRandom(`${seed} ${run++}`)), own)
    const admin = withChange(app.admin, { port: proxy.port, ssl, dbname: undefined })
    const trusting = own ? engine : engineWith(documentdb.caFile)
    await expectNamedErrors(async () => {
      const errors: unknown[] = []
      for (let n = 0; n < 5; n++) errors.push(...(await attempt(admin, pair, trusting)))
      return errors
    }, `seed ${seed}`)
    proxy.stop()
  })

test.each(['a'.repeat(300), '..', '-', '256.256.256.256', '1.2.3.4.5', 'xn--', 'xn--a'])(
  'the impossible host %s throws a RotationError',
  async host => {
    for (const ssl of [true, false])
      await expect(engine.login(value({ host, ssl }))).rejects.toBeInstanceOf(RotationError)
  },
)
