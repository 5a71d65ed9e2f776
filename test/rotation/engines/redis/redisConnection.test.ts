import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ErrorReply } from '@redis/client'
import { afterEach, expect, test } from 'vitest'
import { connect, type RedisConnection } from '../../../../rotation/engines/redis/redisConnection.ts'
import { translate } from '../../../../rotation/engines/redis/redisErrors.ts'

let server: Server | undefined
let connection: RedisConnection | undefined
afterEach(async () => {
  connection?.destroy()
  connection = undefined
  // `close` calls back when the last connection is closed.
  await new Promise(closed => (server ? server.close(closed) : closed(undefined)))
})

/** Logs in to a server that does what `serve` says. */
async function open(serve: (socket: Socket) => void, { commandTimeout = 600_000, database = 0 } = {}) {
  server = createServer(socket => {
    socket.on('error', () => {})
    serve(socket)
    socket.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const login = { username: 'ü', password: 'p', database }
  connection = await connect({ host: '127.0.0.1', port, ...login, connectTimeout: 5_000, commandTimeout })
  return connection
}

/** Lets everybody in, and then does what `serve` says. */
const afterLogin = (serve: (socket: Socket) => void) => (socket: Socket) =>
  socket.once('data', () => {
    serve(socket)
    socket.write('+OK\r\n')
  })

const failed = (attempt: Promise<unknown>) =>
  attempt.then(
    () => expect.unreachable(),
    error => translate(error, 'here'),
  )

test.each([
  [0, ''],
  [3, '*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n'],
])(
  'a login to database %i sends AUTH and SELECT, and then nothing of its own accord',
  async (database, select) => {
    let sent = ''
    await open(
      socket =>
        socket.on('data', bytes => {
          sent += bytes
          socket.write('+OK\r\n'.repeat(bytes.toString().split('*').length - 1))
        }),
      { database },
    )
    await sleep(100)
    expect(sent).toBe(`*3\r\n$4\r\nAUTH\r\n$2\r\nü\r\n$1\r\np\r\n${select}`)
  },
)

test('an answer to EXEC is returned as it came, with the errors in it', async () => {
  const client = await open(
    afterLogin(socket =>
      socket.on('data', async () => {
        for (const byte of Buffer.from('*3\r\n+OK\r\n*1\r\n$5\r\nä\r\nb\r\n-ERR no\r\n')) {
          socket.write(Buffer.of(byte))
          await sleep(0)
        }
      }),
    ),
  )
  expect(await client.sendCommand(['EXEC'])).toEqual(['OK', ['ä\r\nb'], new ErrorReply('ERR no')])
})

test('a login that is not answered in time throws Unreachable', async () => {
  expect(await failed(open(() => {}, { commandTimeout: 50 }))).toMatchObject({ name: 'Unreachable' })
})

test('after a command that was not answered in time, every other throws Unreachable', async () => {
  const client = await open(
    afterLogin(socket => socket.on('data', () => setTimeout(() => socket.write('+late\r\n'), 100))),
    { commandTimeout: 50 },
  )
  const both = [client.sendCommand(['first']), client.sendCommand(['second'])].map(failed)
  for (const error of await Promise.all(both))
    expect(error).toMatchObject({ name: 'Unreachable', message: expect.stringContaining('50ms') })
  expect(await failed(client.sendCommand(['third']))).toMatchObject({ name: 'Unreachable' })
})

test('commands are sent even if the process stood still before', async () => {
  let sent = ''
  const client = await open(
    afterLogin(socket =>
      socket.on('data', bytes => {
        sent += bytes
        socket.write('+OK\r\n'.repeat(2))
      }),
    ),
  )
  // From here on, timers run before the commands are sent.
  await new Promise(setImmediate)
  const both = [client.sendCommand(['first']), client.sendCommand(['second'])]
  // By default, the client lets a command wait to be sent for 5 seconds.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5_500)
  expect(await Promise.all(both)).toEqual(['OK', 'OK'])
  expect(sent).toMatch(/first.*second/s)
})

test.each([
  ['hangs up', (socket: Socket) => socket.end()],
  ['breaks the connection', (socket: Socket) => socket.resetAndDestroy()],
])('a server that %s makes this command and the next throw Unreachable', async (_, end) => {
  const client = await open(afterLogin(socket => socket.on('data', () => end(socket))))
  for (const command of ['first', 'second'])
    expect(await failed(client.sendCommand([command]))).toMatchObject({ name: 'Unreachable' })
})

test('a connection that breaks between two commands makes the next one throw Unreachable', async () => {
  const client = await open(afterLogin(socket => setTimeout(() => socket.resetAndDestroy(), 20)))
  await sleep(100)
  expect(await failed(client.sendCommand(['PING']))).toMatchObject({ name: 'Unreachable' })
})

test('an error that comes before any command is the answer to the login', async () => {
  expect(await failed(open(socket => socket.end('-ERR max number of clients reached\r\n')))).toMatchObject({
    name: 'Unreachable',
    message: expect.stringContaining('room'),
  })
})

test('another kind of server throws InvalidCredential, which names the field engine', async () => {
  expect(
    await failed(open(socket => socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n')))),
  ).toMatchObject({ name: 'InvalidCredential', field: 'engine' })
})

test('an unreadable answer ends the connection', async () => {
  const client = await open(afterLogin(socket => socket.on('data', () => socket.write('?'.repeat(9)))))
  for (const command of ['first', 'second'])
    expect(await failed(client.sendCommand([command]))).toMatchObject({ name: 'Unreachable' })
})

test.each([
  ['DENIED Redis is running in protected mode', 'NotPermitted', 'protected mode'],
  ['LOADING Redis is loading the dataset in memory', 'Unreachable', 'LOADING'],
  ['CLUSTERDOWN The cluster is down', 'Unreachable', 'CLUSTERDOWN'],
  ['MASTERDOWN Link with MASTER is down', 'Unreachable', 'MASTERDOWN'],
  ['TRYAGAIN Multiple keys request during rehashing of slot', 'Unreachable', 'TRYAGAIN'],
  ['BUSY Redis is busy running a script.', 'Unreachable', 'BUSY'],
  ['NOAUTH Authentication required.', 'LoginRefused', 'login'],
  ['BUSYGROUP Consumer Group name already exists', 'DatabaseFailed', 'BUSYGROUP'],
  ["ERR Error in ACL SETUSER modifier '#secret': no", 'DatabaseFailed', 'ERR'],
  ["ERR unknown command 'x', with args beginning with: 'secret'", 'NotPermitted', 'ERR unknown command'],
  ['secret', 'DatabaseFailed', 'without a code'],
])('the answer %s becomes %s', (answer, name, message) => {
  const error = translate(new ErrorReply(answer), 'here')
  expect(error).toMatchObject({ name, message: expect.stringContaining(message) })
  expect(String(error)).not.toContain('secret')
})

test.each([
  ['CERT_HAS_EXPIRED', 'TlsFailed'],
  ['INVALID_PURPOSE', 'TlsFailed'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'TlsFailed'],
  ['ECONNREFUSED', 'Unreachable'],
  // What a host of 300 characters is answered with.
  ['EINVAL', 'Unreachable'],
  ['EMFILE', 'Unreachable'],
  ['ERR_SOCKET_BAD_PORT', 'Unreachable'],
])('the code %s becomes %s', (code, name) => {
  expect(translate(Object.assign(new Error('secret'), { code }), 'here')).toMatchObject({
    name,
    message: `here: ${name === 'TlsFailed' || code[1] !== 'R' ? '' : 'the driver failed, '}${code}`,
  })
})

test.each([new RangeError('secret'), new TypeError('secret'), 'secret', undefined])(
  'any other error of the client becomes Unreachable, without its words: %s',
  error => {
    expect(translate(error, 'here')).toMatchObject({
      name: 'Unreachable',
      message: expect.not.stringContaining('secret'),
    })
  },
)
