import { describe, expect, test } from 'vitest'
import type { Session } from '../../../../rotation/engines/engine.ts'
import { Postgres } from '../../../../rotation/engines/postgres/postgres.ts'
import { Redshift } from '../../../../rotation/engines/redshift/redshift.ts'
import type { EngineName } from '../../../../rotation/engines/traits.ts'
import { RotationError } from '../../../../rotation/errors.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import {
  authenticationOk,
  authenticationRequest,
  errorResponse,
  readyForQuery,
  rowMessages,
  type Script,
  serverMessage,
  startScriptedPostgres,
  uint32,
} from '../../../support/engines/scriptedPostgres.ts'
import { rejectionOf } from '../../../support/observe.ts'

const { pairOf } = new AlternatingUsers()
const both = pairOf('app')
/** A statement has 300 ms until it counts as unanswered: a second more than what is given here. */
const hasty = { connectTimeout: 300, statementTimeout: -700 }

/** What a login at such a server ends with. */
async function loginAt(
  script: Script,
  options: Parameters<typeof startScriptedPostgres>[1] = {},
): Promise<Error> {
  await using server = await startScriptedPostgres(script, options)
  const engine = new Postgres({ caFile: server.caFile, ...hasty })
  return await rejectionOf(engine.login(server.credential()))
}

/** After the client's first message, which is not a password yet. */
const says =
  (...bytes: (Buffer | string)[]): Script =>
  async (stream, next) => {
    await next()
    for (const part of bytes) stream.write(part)
  }

describe.each([false, true])('a server that answers something unexpected, over TLS: %s', tls => {
  test.each([
    ['Kerberos 5', 2],
    ['SCM credentials', 6],
    ['GSSAPI', 7],
    ['GSSAPI', 8],
    ['SSPI', 9],
    ['the way of number 13', 13],
    ['the way of number 99', 99],
    ['the way of number -1', 0xffffffff],
  ])('a login by %s (%i) throws NotPermitted', async (way, number) => {
    expect(await loginAt(says(authenticationRequest(number, 'xxxx')), { tls })).toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining(way),
    })
  })

  test('authentication mechanisms that the driver lacks throw NotPermitted', async () => {
    expect(
      await loginAt(says(authenticationRequest(10, 'OAUTHBEARER\0SCRAM-SHA-512\0\0')), { tls }),
    ).toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining('OAUTHBEARER or SCRAM-SHA-512'),
    })
  })

  test('a password of too many iterations throws NotPermitted, which names the setting', async () => {
    const script: Script = async (stream, next) => {
      await next()
      stream.write(authenticationRequest(10, 'SCRAM-SHA-256\0\0'))
      const nonce = /r=(.*)$/.exec((await next()).toString())?.[1]
      stream.write(authenticationRequest(11, `r=${nonce}x,s=c2FsdA==,i=100001`))
    }
    expect(await loginAt(script, { tls })).toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining('scram_iterations'),
    })
  })

  test.each([
    ['a login without a question for a password', [authenticationOk, readyForQuery]],
    [
      'a question for a password that is not followed up',
      [authenticationRequest(10, 'SCRAM-SHA-256\0\0'), authenticationOk, readyForQuery],
    ],
    ['a server that is ready without a login', [readyForQuery]],
  ])('%s throws NotPermitted, as no password was checked', async (_, answer) => {
    expect(await loginAt(says(...answer), { tls })).toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining('asked for no password'),
    })
  })

  test.each([
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n400'],
    ['SSH', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['Redis', "-ERR unknown command '', with args beginning with:\r\n"],
    ['MySQL', serverMessage('\x4a\0\0\0', '\x0a8.4.0\0')],
    ['SMTP', '220 mail ESMTP\r\n'],
    ['TLS', Buffer.from([21, 3, 3, 0, 2, 2, 10])],
    ['a server that cannot fork', 'Ecould not fork new process for connection: Cannot allocate memory\n\0'],
    ['zeros', Buffer.alloc(1000)],
    ['a length of 0', Buffer.concat([Buffer.from('R'), uint32(0), Buffer.alloc(20)])],
    ['a length of 3', Buffer.concat([Buffer.from('R'), uint32(3), Buffer.alloc(20)])],
    ['a length of 4 GB', Buffer.concat([Buffer.from('R'), uint32(0xffffffff), Buffer.alloc(20)])],
    [
      'a message of a login that is too long',
      Buffer.concat([Buffer.from('S'), uint32(40_000), Buffer.alloc(50_000)]),
    ],
    ['an error without an end', serverMessage('E', 'SFATAL\0C28P01\0')],
    ['an error with an open text', serverMessage('E', 'SFATAL')],
    ['an empty error', serverMessage('E', '')],
    ['rows at a login', Buffer.concat(rowMessages({ one: '1' }))],
    ['a question without a number', serverMessage('R', '')],
    ['half a question', serverMessage('R', 'ab')],
    ['half a salt', authenticationRequest(5, 'ab')],
    ['an answer to nothing', authenticationRequest(11, 'r=x,s=c2FsdA==,i=4096')],
    ['an end of nothing', authenticationRequest(12, 'v=x')],
    ['key data without a key', serverMessage('K', 'ab')],
    ['a parameter without an end', serverMessage('S', 'server_version')],
    ['mechanisms without an end', authenticationRequest(10, 'SCRAM-SHA-256')],
    ['a copy', serverMessage('G', '\x01')],
  ])('a login that is answered by %s gives the error a name', async (_, bytes) => {
    const found = await loginAt(says(bytes), { tls })
    expect(found).toBeInstanceOf(RotationError)
    expect(['Unreachable', 'NotPermitted', 'DatabaseFailed', 'TlsFailed']).toContain(found.name)
  })

  test.each([
    ['at a login', [], 40_000],
    ['after a login', [authenticationRequest(3), authenticationOk, readyForQuery], 2 ** 29],
  ])('a message %s whose length is impossible is not waited for', async (_, before, length) => {
    const long = Buffer.concat([Buffer.from('R'), uint32(length)])
    const found = await loginAt(says(...before, long), { tls })
    expect(found).toMatchObject({ name: 'Unreachable', message: expect.not.stringContaining('in time') })
  })

  test('an incomplete SCRAM handshake throws Unreachable', async () => {
    for (const answer of [
      'r=other,s=c2FsdA==,i=1',
      'r=NONCE,s=c2FsdA==,i=1',
      'r=NONCEx,s=%,i=1',
      'x',
      'r=NONCEx,i=0',
      '',
    ]) {
      const script: Script = async (stream, next) => {
        await next()
        stream.write(authenticationRequest(10, 'SCRAM-SHA-256\0\0'))
        const nonce = /r=(.*)$/.exec((await next()).toString())?.[1] ?? ''
        stream.write(authenticationRequest(11, answer.replace('NONCE', nonce)))
      }
      expect(await loginAt(script, { tls })).toMatchObject({ name: 'Unreachable' })
    }
  })

  test('a server that cannot prove itself throws Unreachable', async () => {
    for (const final of ['v=AAAA', 'e=other-error', 'v=', 'rubbish']) {
      const script: Script = async (stream, next) => {
        await next()
        stream.write(authenticationRequest(10, 'SCRAM-SHA-256\0\0'))
        const nonce = /r=(.*)$/.exec((await next()).toString())?.[1] ?? ''
        stream.write(authenticationRequest(11, `r=${nonce}x,s=c2FsdA==,i=1`))
        await next()
        stream.write(Buffer.concat([authenticationRequest(12, final), authenticationOk, readyForQuery]))
      }
      expect(await loginAt(script, { tls })).toMatchObject({ name: 'Unreachable' })
    }
  })

  test.each([
    ['a missing column', [serverMessage('D', '\0\x01'), readyForQuery]],
    [
      'a row without its columns',
      [serverMessage('D', '\0\x05'), serverMessage('C', 'SELECT 1\0'), readyForQuery],
    ],
    ['a negative number of columns', [serverMessage('T', '\xff\xff'), readyForQuery]],
    ['an unknown kind of message', [serverMessage('~', 'x'), readyForQuery]],
    ['an impossible length', ['D', uint32(1), Buffer.alloc(10)]],
    ['silence', []],
    ['an error without fields', [serverMessage('E', '\0'), readyForQuery]],
    ['an error with a code of another kind', [errorResponse('constructor', 'x'), readyForQuery]],
    ['ready at once', [readyForQuery]],
    ['fewer results than statements', [...rowMessages({ one: '1' }), readyForQuery]],
    [
      'rows of texts that are not what they should be',
      [...rowMessages({ name: 'app', memberOf: '{' }), readyForQuery],
    ],
    ['a question for a password', [authenticationRequest(3)]],
    ['a question for an unknown kind of login', [authenticationRequest(7)]],
  ] as const)('%s in a session gives every error a name', async (_, bytes) => {
    let statements = 0
    const script: Script = async (stream, next) => {
      await next()
      stream.write(authenticationRequest(3))
      await next()
      stream.write(
        Buffer.concat([authenticationOk, serverMessage('S', 'server_version\x018.1\0'), readyForQuery]),
      )
      for (;;) {
        await next()
        // The first one settles the session.
        stream.write(
          statements++
            ? Buffer.concat(bytes.map(part => Buffer.from(part as string)))
            : Buffer.concat([...rowMessages({ kind: 'x' }), readyForQuery]),
        )
      }
    }
    await using server = await startScriptedPostgres(script, { tls })
    const acts: ((session: Session, engine: EngineName) => Promise<unknown>)[] = [
      session => session.setPassword('app', 'x'),
      session => session.openUser(both, { user: both.clone, password: 'x' }),
      session => session.openUser(both, { user: both.user, password: 'x' }),
      (session, engine) => session.differences(both, async () => server.credential({ engine })),
      session => session.dropClone(both),
      session => session.closeUser('app', both),
      session => session.runTestQuery('select 1'),
    ]
    const outcomes: unknown[] = []
    for (const [name, Class] of [
      ['postgres', Postgres],
      ['redshift', Redshift],
    ] as const)
      for (const act of acts) {
        statements = 0
        await using session = await new Class({ caFile: server.caFile, ...hasty }).login(
          server.credential({ engine: name }),
        )
        outcomes.push(
          await act(session, name).then(
            () => 'taken for an answer',
            (thrown: unknown) => thrown,
          ),
        )
      }
    for (const outcome of outcomes)
      if (outcome !== 'taken for an answer') expect(outcome).toBeInstanceOf(RotationError)
    expect(outcomes).toHaveLength(2 * acts.length)
  })
})

describe('a server that sends bytes at random', () => {
  /** The same bytes at every run (mulberry32). */
  function numbers(start: number): (below: number) => number {
    let seed = start
    return limit => {
      seed = (seed + 0x6d2b79f5) | 0
      let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
      return ((t ^ (t >>> 14)) >>> 0) % limit
    }
  }

  test.each(Array.from({ length: 8 }, (_, seed) => seed))(
    'every outcome has a name with the seed %i',
    async seed => {
      const below = numbers(seed)
      const bytes = (most: number) => Buffer.from(Array.from({ length: below(most) }, () => below(256)))
      /** Makes a message of a known kind, mostly with the right length, and with a body at random. */
      const likely = () => {
        const body = below(2) ? bytes(40) : Buffer.concat([uint32(below(14)), bytes(40)])
        const whole = serverMessage('RRRRRSKZENTDC1Gnt~'[below(18)] ?? 'R', body)
        if (!below(4)) whole.writeUInt32BE(below(3) ? below(60) : below(2 ** 32), 1)
        return whole
      }
      const script: Script = async (stream, next) => {
        for (;;) {
          await next()
          stream.write(below(8) ? Buffer.concat(Array.from({ length: 1 + below(4) }, likely)) : bytes(200))
        }
      }
      await using server = await startScriptedPostgres(script)
      const engine = new Postgres({ caFile: server.caFile, connectTimeout: 40, statementTimeout: -960 })
      const outcomes: unknown[] = []
      for (let tries = 0; tries < 60; tries++)
        try {
          await using session = await engine.login(server.credential())
          await session.setPassword('app', 'x')
        } catch (thrown) {
          outcomes.push(thrown)
        }
      for (const outcome of outcomes) expect(outcome).toBeInstanceOf(RotationError)
      expect(outcomes.length).toBeGreaterThan(50)
    },
  )
})

describe('before a login', () => {
  test.each([
    [
      'an error, as of a server that cannot fork',
      'Ecould not fork\n\0',
      'Unreachable',
      'cannot take another connection',
    ],
    ['a no', 'N', 'TlsFailed', 'offers no TLS'],
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'Unreachable', 'does not speak'],
    ['more than an answer', 'SSFATAL', 'Unreachable', 'does not speak'],
    ['a banner of SSH', 'SSH-2.0-OpenSSH_9.9\r\n', 'Unreachable', 'does not speak'],
    ['a greeting of MySQL', serverMessage('\x4a\0\0\0', '\x0a8.4.0\0'), 'Unreachable', 'does not speak'],
  ])('the question for TLS is answered by %s', async (_, answer, name, words) => {
    expect(await loginAt(() => {}, { tls: true, answer })).toMatchObject({
      name,
      message: expect.stringContaining(words),
    })
  })

  test('a server that says that it has TLS, and has not, throws TlsFailed', async () => {
    const answer = Buffer.from('S')
    const server = await startScriptedPostgres(
      async (stream, next) => {
        await next()
        stream.write(answer)
        await next()
        stream.write('HTTP/1.1 400 Bad Request\r\n\r\n')
      },
      { tls: false },
    )
    await using _ = server
    const engine = new Postgres({ caFile: server.caFile, ...hasty })
    expect(await rejectionOf(engine.login(server.credential({ ssl: true })))).toMatchObject({
      name: 'TlsFailed',
    })
  })

  test.each([
    ['of 300 characters', 'a'.repeat(300)],
    ['of 300 characters, in parts', `${'a'.repeat(60)}.`.repeat(5)],
    ['that is a path', '/nowhere'],
    ['with blanks', 'a b'],
    ['that is empty but for a dot', '.'],
  ])('a host %s throws Unreachable or InvalidCredential', async (_, host) => {
    await using server = await startScriptedPostgres(() => {})
    const engine = new Postgres({ caFile: server.caFile, ...hasty })
    const found = await rejectionOf(engine.login(server.credential({ host, ssl: true })))
    expect(found).toBeInstanceOf(RotationError)
    expect(['Unreachable', 'InvalidCredential']).toContain(found.name)
  })
})

test('closing a session does not wait for a server that does not hang up', async () => {
  const script: Script = async (stream, next) => {
    await next()
    stream.write(authenticationRequest(3))
    await next()
    stream.write(Buffer.concat([authenticationOk, readyForQuery]))
    await next()
    stream.write(Buffer.concat([...rowMessages({ kind: 'md5' }), readyForQuery]))
  }
  await using server = await startScriptedPostgres(script, { hangsUp: false })
  const engine = new Postgres({ caFile: server.caFile, ...hasty })
  const session = await engine.login(server.credential())
  const began = Date.now()
  await session[Symbol.asyncDispose]()
  expect(Date.now() - began).toBeLessThan(5_000)
})
