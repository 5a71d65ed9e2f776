import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(pbkdf2)

/**
 * Computes the SCRAM-SHA-256 verifier that PostgreSQL stores for a password, so that the server never sees the password:
 * `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, with salt and keys in base64 (RFC 5803, and
 * https://www.postgresql.org/docs/current/catalog-pg-authid.html). The defaults are PostgreSQL's own.
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

/**
 * Computes the MD5 hash that PostgreSQL stores for a user's password under its older method, `md5` and 32 hexadecimal digits
 * (https://www.postgresql.org/docs/current/catalog-pg-authid.html).
 */
export function md5PasswordHash(user: string, password: string): string {
  return `md5${createHash('md5').update(password).update(user).digest('hex')}`
}

/**
 * Normalizes a password as SASLprep (RFC 4013) does: other space characters become a space, characters that RFC 3454 maps to
 * nothing are removed, and the rest is normalized by NFKC. Characters that SASLprep prohibits are not refused.
 */
function saslPrep(password: string): string {
  return password
    .replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, ' ')
    .replace(/\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200c\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff/g, '')
    .normalize('NFKC')
}
