import { createHash } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { Credential } from '../../../../rotation/credential.ts'
import { Redshift } from '../../../../rotation/engines/redshift/redshift.ts'
import { sha256PasswordHash } from '../../../../rotation/engines/redshift/redshiftDigest.ts'

const sha256 = (...parts: (Buffer | string)[]) =>
  createHash('sha256')
    .update(Buffer.concat(parts.map(part => Buffer.from(part))))
    .digest()

const uint32 = (value: number) => Buffer.from([value >> 24, value >> 16, value >> 8, value])
const message = (kind: string, ...parts: (Buffer | string)[]) => {
  const body = Buffer.concat(parts.map(part => Buffer.from(part)))
  return Buffer.concat([Buffer.from(kind), uint32(body.length + 4), body])
}

test('sha256PasswordHash makes the verifier of the example in AWS’s page on CREATE USER', () => {
  const salt = 'c721bff5d9042cf541ff7b9d48fa8a6e545c19a763e3710151f9513038b0f6c6'
  expect(sha256PasswordHash('Mypassword1', Buffer.from(salt, 'hex'))).toBe(
    `sha256|821708135fcc42eb3afda85286dee0ed15c2c461d000291609f77eb113073ec2|${salt}`,
  )
})

describe('a user whose password Redshift keeps as sha256', () => {
  const close: (() => void)[] = []
  afterEach(() => {
    for (const end of close.splice(0)) end()
  })

  /** Starts a server that asks for a digest as AWS's drivers know it, and then accepts and notes every statement. */
  async function startServer(password: string, pieces = 1) {
    const [salt, nonce] = [Buffer.from('0123456789abcdef'.repeat(2)), Buffer.from('a nonce')]
    const statements: string[] = []
    const ready = message('Z', 'I')
    const request = message(
      'R',
      uint32(13),
      uint32(0),
      uint32(salt.length),
      salt,
      uint32(nonce.length),
      nonce,
    )
    async function send(socket: Socket, bytes: Buffer) {
      const size = Math.ceil(bytes.length / pieces)
      for (let at = 0; at < bytes.length; at += size) {
        socket.write(bytes.subarray(at, at + size))
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    }
    const server = createServer({ noDelay: true }, socket => {
      socket.once('data', () => send(socket, request))
      socket.on('error', () => {})
      socket.on('data', data => {
        if (data[0] === 'd'.charCodeAt(0)) {
          const digest = data.subarray(9, 41)
          const theirs = data.subarray(45)
          expect(data.readUInt32BE(1)).toBe(data.length - 1)
          expect([data.readUInt32BE(5), data.readUInt32BE(41)]).toEqual([32, theirs.length])
          const right = digest.equals(sha256(sha256(password, salt), nonce, theirs))
          socket.write(
            right
              ? Buffer.concat([message('R', uint32(0)), ready])
              : message('E', 'SFATAL\0C28000\0Mpassword authentication failed for user "app"\0\0'),
          )
        } else if (data[0] === 'Q'.charCodeAt(0)) {
          const text = data.toString('utf8', 5, data.length - 1)
          statements.push(text)
          socket.write(Buffer.concat([...text.split('; ').map(() => message('C', 'SET\0')), ready]))
        }
      })
    })
    server.listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    close.push(() => server.close())
    return { statements, port: (server.address() as { port: number }).port }
  }

  const engine = new Redshift({ caFile: '/no/such/file.pem' })
  const credentialAt = (port: number, password: string) =>
    Credential.parse(
      JSON.stringify({ engine: 'redshift', host: '127.0.0.1', port, username: 'app', password, ssl: false }),
    )

  test.each([1, 7])(
    'logs in, even if the request comes in %i pieces, and gets the same kind of verifier again',
    async pieces => {
      const { port, statements } = await startServer('pässword', pieces)
      await using session = await engine.login(credentialAt(port, 'pässword'))
      expect(session.accountQualifier).toBe('sha256')
      await session.setPassword('app', 'Mypassword1')
      const [, digest, salt = ''] =
        /^alter user "app" password 'sha256\|(\w{64})\|(\w{64})'; commit$/.exec(statements.at(-1) ?? '') ?? []
      expect(digest).toBe(sha256('Mypassword1', Buffer.from(salt, 'hex')).toString('hex'))
      await session.closeUser('app', { user: 'app', clone: 'app_clone' })
      expect(statements.at(-1)).toMatch(/^alter user "app" password 'sha256\|\w{64}\|\w{64}'; commit$/)
    },
  )

  test('throws LoginRefused for a wrong password', async () => {
    const { port } = await startServer('right')
    await expect(engine.login(credentialAt(port, 'wrong'))).rejects.toMatchObject({ name: 'LoginRefused' })
  })
})
