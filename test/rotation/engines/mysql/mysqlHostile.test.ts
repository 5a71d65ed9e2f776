import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { makeCertificate } from '../../../../local/servers/certificate.ts'
import { Credential } from '../../../../rotation/credential.ts'
import { Mariadb } from '../../../../rotation/engines/mysql/mariadb.ts'
import { Mysql } from '../../../../rotation/engines/mysql/mysql.ts'
import { RotationError } from '../../../../rotation/errors.ts'
import {
  greetingPacket,
  okPacket,
  packet,
  resultPackets,
  type Script,
  startScriptedMysql,
} from '../../../support/engines/scriptedMysql.ts'

const uncaught: unknown[] = []
const note = (error: unknown) => uncaught.push(error)
let folder: string
let trusted: Awaited<ReturnType<typeof makeCertificate>>

beforeAll(async () => {
  process.on('uncaughtExceptionMonitor', note)
  folder = await mkdtemp(join(tmpdir(), 'keyturn-hostile-'))
  trusted = await makeCertificate(folder)
})
afterAll(async () => {
  process.off('uncaughtExceptionMonitor', note)
  await rm(folder, { recursive: true })
})
// The driver tells there of packets that come in another order.
beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
  uncaught.length = 0
})

type How = { tls?: boolean; host?: string; caFile?: string; patience?: number; certificate?: typeof trusted }

/** What a login comes to, on both engines. */
async function loginTo(script: Script, how: How = {}): Promise<string[]> {
  const { tls = false, host = 'localhost', certificate = trusted, patience = 5000 } = how
  const { caFile = certificate.caFile } = how
  await using server = await startScriptedMysql(script, tls ? certificate : undefined)
  const names = [Mysql, Mariadb].map(async (Engine, i) => {
    const engine = ['mysql', 'mariadb'][i]
    const { port } = server
    const value = { engine, host, port, username: 'app', password: 'the secret', dbname: 'shop', ssl: tls }
    const times = { connectTimeout: patience, statementTimeout: patience - 1000 }
    const login = new Engine({ caFile, ...times }).login(Credential.parse(JSON.stringify(value)))
    const error: unknown = await login.then(
      () => new Error('it let us in'),
      error => error,
    )
    expect(error).toBeInstanceOf(RotationError)
    expect(String(error)).not.toContain('the secret')
    return (error as Error).name
  })
  const found = await Promise.all(names)
  // What is thrown outside of the promise may come a moment later.
  await new Promise(resolve => setImmediate(resolve))
  expect(uncaught).toEqual([])
  return found
}
const both = (name: string) => [name, name]

const secondFailure = Buffer.concat([
  packet(0, [255], '\x10\x04no more'),
  packet(1, [255, 1]),
  packet(2, [255]),
])

describe.each([false, true])('a server that sends something unexpected, with TLS: %s', tls => {
  const after = tls ? 3 : 2
  test.each<[string, Script, string]>([
    ['HTTP', { first: 'nothing', replies: [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')] }, 'Unreachable'],
    ['SSH', { first: Buffer.from('SSH-2.0-OpenSSH_9.2\r\n') }, 'Unreachable'],
    ['SMTP', { first: Buffer.from('220 mail ESMTP ready\r\n') }, 'Unreachable'],
    ['Redis', { first: Buffer.from('-DENIED Redis is running in protected mode.\r\n') }, 'Unreachable'],
    ['an end at once', { first: 'end' }, 'Unreachable'],
    ['a reset at once', { first: 'reset' }, 'Unreachable'],
    ['nothing at all', { first: Buffer.alloc(0), replies: ['nothing'] }, 'Unreachable'],
    ['an empty packet', { first: packet(0) }, 'Unreachable'],
    [
      'a hello that ends early',
      { first: greetingPacket({ change: bytes => bytes.subarray(0, 9) }) },
      'Unreachable',
    ],
    ['a refusal before the hello', { first: packet(0, [255, 16, 4], 'Too many connections') }, 'Unreachable'],
    ['a refusal that ends early', { first: packet(0, [255, 1]) }, 'Unreachable'],
    ['a refusal, and another that ends early', { first: secondFailure }, 'Unreachable'],
    ['a refusal without a known number', { first: packet(0, [255, 255, 100], 'why') }, 'DatabaseFailed'],
    [
      'a refusal with a number of the file system',
      { first: packet(0, [255, 28, 0], 'why') },
      'DatabaseFailed',
    ],
    ['an end after the hello', { first: greetingPacket(), replies: ['end'] }, 'Unreachable'],
    ['a reset after the hello', { first: greetingPacket(), replies: ['reset'] }, 'Unreachable'],
    ['silence after the hello', { first: greetingPacket(), replies: ['nothing'] }, 'Unreachable'],
    [
      'something that is no answer to a login',
      { first: greetingPacket(), replies: [packet(after, [77])] },
      'Unreachable',
    ],
    [
      'more data for an unknown plugin',
      { first: greetingPacket({ plugin: 'x' }), replies: [packet(after, [1, 4])] },
      'Unreachable',
    ],
    [
      'more data of an unknown kind',
      { first: greetingPacket(), replies: [packet(after, [1, 99])] },
      'Unreachable',
    ],
    [
      'a plugin that nobody knows',
      { first: greetingPacket(), replies: [packet(after, [254], 'dialog\0')] },
      'NotPermitted',
    ],
    [
      'a plugin with the name of a property of every object',
      { first: greetingPacket(), replies: [packet(after, [254], 'toString\0')] },
      'NotPermitted',
    ],
    [
      'a password in clear text',
      { first: greetingPacket(), replies: [packet(after, [254], 'mysql_clear_password\0')] },
      'NotPermitted',
    ],
    [
      'a second factor',
      { first: greetingPacket(), replies: [packet(after, [2], 'authentication_webauthn_client\0')] },
      'NotPermitted',
    ],
    [
      'a challenge that is too short',
      { first: greetingPacket(), replies: [packet(after, [254], 'mysql_native_password\0x')] },
      'Unreachable',
    ],
    [
      'a connection error',
      { first: greetingPacket(), replies: [packet(after, [255, 19, 4], '#08S01Bad handshake')] },
      'Unreachable',
    ],
    [
      'a result with nothing in it',
      { first: greetingPacket(), replies: [okPacket(after), okPacket(1)] },
      'Unreachable',
    ],
    [
      'a result with another thing in it',
      { first: greetingPacket(), replies: [okPacket(after), resultPackets('what', 'MariaDB')] },
      'Unreachable',
    ],
    ['half a result', { first: greetingPacket(), replies: [okPacket(after), packet(1, [1])] }, 'Unreachable'],
    [
      'a result that asks for a file',
      { first: greetingPacket(), replies: [okPacket(after), packet(1, [251], '/etc/passwd')] },
      'Unreachable',
    ],
    [
      'a refusal that ends early, instead of a result',
      { first: greetingPacket(), replies: [okPacket(after), packet(1, [255])] },
      'Unreachable',
    ],
    [
      'a good answer and a refusal that ends early',
      { first: greetingPacket(), replies: [Buffer.concat([okPacket(after), packet(0, [255, 1])])] },
      'Unreachable',
    ],
  ])('%s', async (_, script, name) => {
    // In some of these cases the engine waits until its timeout.
    const patience = name === 'Unreachable' ? 300 : 5000
    expect(await loginTo(script, { tls, patience })).toEqual(both(name))
  })

  test('packets and bytes at random give every error a name', async () => {
    for (let seed = 0; seed < 150; seed += 5) {
      const rounds = Array.from({ length: 5 }, (_, i) =>
        loginTo(anything(seed + i, tls), { tls, patience: 150 }),
      )
      for (const names of await Promise.all(rounds)) expect(names).not.toContain('Unexpected')
    }
  })
})

/** Makes packets and bytes from a seed, which also says after which part of a login they come. */
function anything(seed: number, tls: boolean): Script {
  let state = seed
  const below = (limit: number) => {
    // https://en.wikipedia.org/wiki/Linear_congruential_generator, of POSIX.
    state = (state * 1103515245 + 12345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * limit)
  }
  const bytes = (most: number) => Buffer.from(Array.from({ length: below(most) }, () => below(256)))
  const kinds = [[0], [1], [2], [251], [254], [255], [255, 1], []]
  const some = (sequence: number) => packet(sequence, kinds[below(kinds.length)] ?? [], bytes(40))
  const spoilt = (whole: Buffer) => {
    for (let n = below(6); n > 0; n--) whole[below(whole.length)] = below(256)
    return whole.subarray(0, below(3) ? whole.length : below(whole.length))
  }
  const after = tls ? 3 : 2
  const more = [Buffer.concat([some(1), some(2), some(3)]), bytes(60), some(1), some(1)]
  const spoiltResult = spoilt(resultPackets('account', 'app@%'))
  const scripts: Script[] = [
    { first: bytes(100), replies: more },
    { first: packet(0, bytes(100)), replies: more },
    { first: Buffer.concat([packet(0, [255], bytes(20)), some(1), some(2)]) },
    { first: greetingPacket({ change: spoilt }), replies: [some(after), ...more] },
    { first: greetingPacket(), replies: [some(after), some(after + 2), ...more] },
    { first: greetingPacket(), replies: [Buffer.concat([some(after), some(after + 1)]), ...more] },
    { first: greetingPacket(), replies: [okPacket(after), some(1), ...more] },
    { first: greetingPacket(), replies: [okPacket(after), spoiltResult, ...more] },
    {
      first: greetingPacket(),
      replies: [okPacket(after), Buffer.concat([resultPackets('account', 'app@%'), some(0), some(1)])],
    },
  ]
  return scripts[below(scripts.length)] as Script
}

describe('TLS', () => {
  const secure: Script = { first: greetingPacket(), replies: ['end'] }

  test('a server that says something else in place of TLS throws TlsFailed', async () => {
    const script: Script = {
      first: greetingPacket(),
      replies: [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    }
    await using server = await startScriptedMysql(script)
    expect(await loginAt(server.port)).toEqual(expect.objectContaining({ name: 'TlsFailed' }))
  })

  test.each(['end', 'reset'] as const)('an %s in place of TLS throws Unreachable', async how => {
    await using server = await startScriptedMysql({ first: greetingPacket(), replies: [how] })
    expect(await loginAt(server.port)).toEqual(expect.objectContaining({ name: 'Unreachable' }))
  })

  const altNames = (value: string) => ({
    name: 'subjectAltName' as const,
    altNames: [{ type: 2 as const, value }],
  })
  const authority = { name: 'basicConstraints' as const, cA: true }
  test.each([
    ['for another name', { extensions: [authority, altNames('other.example')] }],
    [
      'that is not for servers',
      { extensions: [authority, altNames('localhost'), { name: 'extKeyUsage' as const, clientAuth: true }] },
    ],
    [
      'that has expired',
      {
        extensions: [authority, altNames('localhost')],
        notBeforeDate: new Date(0),
        notAfterDate: new Date(1e12),
      },
    ],
  ])('a certificate %s throws TlsFailed', async (_, options) => {
    const certificate = await make(options)
    expect(await loginTo(secure, { tls: true, certificate })).toEqual(both('TlsFailed'))
  })

  test('a certificate of an untrusted issuer throws TlsFailed', async () => {
    const { caFile } = await make({ extensions: [authority, altNames('localhost')] })
    expect(await loginTo(secure, { tls: true, caFile })).toEqual(both('TlsFailed'))
  })

  test.each([
    ['cannot be read', 'absent.pem', undefined],
    ['is no PEM', 'odd.pem', 'no certificate at all'],
    ['is damaged', 'damaged.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
  ])('a file of issuers that %s throws TlsFailed', async (_, name, text) => {
    const caFile = join(folder, name)
    if (text) await writeFile(caFile, text)
    expect(await loginTo(secure, { tls: true, caFile })).toEqual(both('TlsFailed'))
  })
})

async function make(options: Parameters<typeof generate>[1]) {
  const into = await mkdtemp(join(folder, 'certificate-'))
  const [caFile, keyFile] = [join(into, 'server.crt'), join(into, 'server.key')]
  const { cert, private: key } = await generate([{ name: 'commonName', value: into }], {
    keyType: 'ec',
    ...options,
  })
  await writeFile(caFile, cert)
  await writeFile(keyFile, key)
  return { caFile, keyFile }
}

async function loginAt(port: number): Promise<unknown> {
  const value = { engine: 'mysql', host: 'localhost', port, username: 'app', password: 'p' }
  const engine = new Mysql({ caFile: trusted.caFile })
  return engine.login(Credential.parse(JSON.stringify(value))).catch((error: unknown) => error)
}

test('a public key that is none, for encrypting the password, throws Unreachable', async () => {
  const full = packet(2, [1, 4])
  for (const key of ['no key', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n', ''])
    expect(await loginTo({ first: greetingPacket(), replies: [full, packet(4, [1], key)] })).toEqual(
      both('Unreachable'),
    )
})

test.each([
  ['of 300 characters', 'h'.repeat(300)],
  ['of 300 characters with dots', `${'host.'.repeat(60)}example`],
  ['with an empty part', 'a..b'],
  ['with a blank', 'a b'],
  ['with a newline', 'a\nb'],
  ['that is a URL', 'mysql://localhost:3306/shop'],
  ['of other letters', 'žluťoučký.příklad'],
])('a host %s throws Unreachable', async (_, host) => {
  expect(await loginTo({ first: 'end' }, { host })).toEqual(both('Unreachable'))
})
