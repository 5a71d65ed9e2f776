import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(pbkdf2)

/**
 * What PostgreSQL stores for a password under SCRAM-SHA-256 (RFC 5803), computed here so that the server never sees
 * the password itself: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
 */
export async function scramVerifier(
  password: string,
  iterations = 4096,
  salt: Buffer = randomBytes(16),
): Promise<string> {
  const salted = await derive(saslPrep(password), salt, iterations, 32, 'sha256')
  const key = (name: string) => createHmac('sha256', salted).update(name).digest()
  const storedKey = createHash('sha256').update(key('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${key('Server Key').toString('base64')}`
}

/** What PostgreSQL stores under its older md5 method. Only for servers whose password_encryption asks for it. */
export function md5PasswordHash(user: string, password: string): string {
  return `md5${createHash('md5').update(password).update(user).digest('hex')}`
}

/** SASLprep (RFC 4013) as far as it changes a password: the spaces of other scripts, what is mapped to nothing, NFKC. */
function saslPrep(password: string): string {
  return password
    .replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, ' ')
    .replace(/\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200c\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff/g, '')
    .normalize('NFKC')
}
