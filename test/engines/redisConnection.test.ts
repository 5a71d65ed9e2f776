import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { RedisConnection, RedisError, readReply } from '../../rotation/engines/redisConnection.ts'
import { translate } from '../../rotation/engines/redisErrors.ts'

let server: Server | undefined
afterEach(() => server?.close())

/** A connection to a server that does what `serve` says. */
async function connected(serve: (socket: Socket) => void, commandTimeout = 5_000): Promise<RedisConnection> {
  server = createServer(socket => {
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return RedisConnection.open({ host: '127.0.0.1', port, connectTimeout: 5_000, commandTimeout })
}

const stream =
  '+OK\r\n-ERR no\r\n:-7\r\n$5\r\nä\r\nb\r\n$0\r\n\r\n$-1\r\n*-1\r\n*3\r\n:1\r\n*2\r\n$1\r\nx\r\n-WRONGTYPE y\r\n*0\r\n'
const replies = [
  'OK',
  new RedisError('ERR no'),
  -7,
  'ä\r\nb',
  '',
  null,
  null,
  [1, ['x', new RedisError('WRONGTYPE y')], []],
]

test('a reply is read once all of it is there, wherever it is cut', () => {
  const bytes = Buffer.from(stream)
  for (let size = 1; size <= bytes.length; size++) {
    let rest: Buffer = Buffer.alloc(0)
    const read: unknown[] = []
    for (let at = 0; at < bytes.length; at += size) {
      rest = Buffer.concat([rest, bytes.subarray(at, at + size)])
      for (let next = readReply(rest); next; next = readReply(rest)) {
        read.push(next.reply)
        rest = rest.subarray(next.end)
      }
    }
    expect(read, `in pieces of ${size}`).toEqual(replies)
    expect(rest).toHaveLength(0)
  }
})

test('commands are sent by their lengths in bytes, and answers given in their order', async () => {
  const sent: Buffer[] = []
  const connection = await connected(socket =>
    socket.on('data', async bytes => {
      sent.push(bytes)
      for (const byte of stream) {
        socket.write(byte)
        await sleep(0)
      }
    }),
  )
  const answers = await Promise.allSettled(
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(word => connection.send([word, 'ü \r\n'])),
  )
  expect(answers.map(answer => (answer.status === 'fulfilled' ? answer.value : answer.reason))).toEqual(
    replies,
  )
  expect(Buffer.concat(sent).toString()).toMatch(/^\*2\r\n\$1\r\na\r\n\$5\r\nü \r\n\r\n\*2\r\n\$1\r\nb/)
  connection.close()
})

test('after a command that was not answered in time no other is', async () => {
  const connection = await connected(
    socket => socket.on('data', () => setTimeout(() => socket.write('+late\r\n'), 100)),
    50,
  )
  const both = await Promise.allSettled([connection.send(['first']), connection.send(['second'])])
  const next = await connection.send(['third']).catch(error => error)
  for (const error of [...both.map(result => result.status === 'rejected' && result.reason), next])
    expect(translate(error, 'here')).toMatchObject({ name: 'Unreachable', message: 'here: ETIMEDOUT' })
})

test('a server that hangs up ends what waits, and what comes after', async () => {
  const connection = await connected(socket => socket.on('data', () => socket.end()))
  const errors = [
    await connection.send(['first']).catch(error => error),
    await connection.send(['second']).catch(error => error),
  ]
  for (const error of errors) expect(translate(error, 'here')).toMatchObject({ name: 'Unreachable' })
})

test('what is told before anything was asked is the answer to the first command', async () => {
  const connection = await connected(socket => socket.end('-ERR max number of clients reached\r\n'))
  await sleep(50)
  const error = await connection.send(['AUTH']).catch(error => error)
  expect(translate(error, 'here')).toMatchObject({
    name: 'Unreachable',
    message: expect.stringContaining('room'),
  })
})

test('another kind of server is InvalidCredential, and names the field', async () => {
  const connection = await connected(socket =>
    socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n')),
  )
  const error = await connection.send(['AUTH']).catch(error => error)
  expect(translate(error, 'here')).toMatchObject({ name: 'InvalidCredential', field: 'engine' })
})

test.each([
  ['DENIED Redis is running in protected mode', 'NotPermitted', 'protected mode'],
  ['LOADING Redis is loading the dataset in memory', 'Unreachable', 'LOADING'],
  ['CLUSTERDOWN The cluster is down', 'Unreachable', 'CLUSTERDOWN'],
  ['NOAUTH Authentication required.', 'LoginRefused', 'login'],
  ['BUSYGROUP Consumer Group name already exists', 'DatabaseFailed', 'BUSYGROUP'],
  ["ERR Error in ACL SETUSER modifier '#secret': no", 'DatabaseFailed', 'ERR'],
  ["ERR unknown command 'x', with args beginning with: 'secret'", 'NotPermitted', 'ERR unknown command'],
  ['secret', 'DatabaseFailed', 'without a code'],
])('%s is %s', (answer, name, message) => {
  const error = translate(new RedisError(answer), 'here')
  expect(error).toMatchObject({ name, message: expect.stringContaining(message) })
  expect(String(error)).not.toContain('secret')
})
