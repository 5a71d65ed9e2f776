import { createHash, hash, randomInt } from 'node:crypto'

/** Computes what MySQL and MariaDB store for a password under mysql_native_password: `*` and SHA-1 of SHA-1, in hexadecimal. */
export function nativePasswordHash(password: string): string {
  const once = createHash('sha1').update(password).digest()
  return `*${hash('sha1', once).toUpperCase()}`
}

const CRYPT_ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** The rounds of SHA-crypt in thousands. It is the server's default, and the server accepts hashes of it at any setting. */
const THOUSANDS_OF_ROUNDS_COUNT = 5

/**
 * Computes what MySQL stores for a password under caching_sha2_password: `$A$005$`, a salt of 20 characters, and the digest of
 * SHA-crypt with SHA-256 (https://www.akkadia.org/drepper/SHA-crypt.txt). The specification allows at most 16 characters of
 * salt; MySQL uses 20.
 */
export function cachingSha2PasswordHash(password: string, salt = randomSalt()): string {
  return `$A$00${THOUSANDS_OF_ROUNDS_COUNT}$${salt}${shaCrypt(Buffer.from(password), Buffer.from(salt), THOUSANDS_OF_ROUNDS_COUNT * 1000)}`
}

const randomSalt = () => Array.from({ length: 20 }, () => CRYPT_ALPHABET[randomInt(64)]).join('')

const sha256 = (...parts: Buffer[]): Buffer => hash('sha256', Buffer.concat(parts), 'buffer')

/** Repeats `bytes` up to a total of `length` bytes. */
const repeat = (bytes: Buffer, length: number) => Buffer.alloc(length, bytes)

/** SHA-crypt; `p` and `s` are the sequences that the specification calls P and S. */
function shaCrypt(key: Buffer, salt: Buffer, rounds: number): string {
  const mixed = repeat(sha256(key, salt, key), key.length)
  const bits: Buffer[] = []
  for (let n = key.length; n > 0; n >>= 1) bits.push(n & 1 ? sha256(key, salt, key) : key)
  let digest = sha256(key, salt, mixed, ...bits)
  const p = repeat(sha256(repeat(key, key.length ** 2)), key.length)
  const s = repeat(sha256(repeat(salt, salt.length * (16 + (digest[0] ?? 0)))), salt.length)
  for (let i = 0; i < rounds; i++) {
    const odd = i % 2 === 1
    digest = sha256(odd ? p : digest, ...(i % 3 ? [s] : []), ...(i % 7 ? [p] : []), odd ? digest : p)
  }
  return encode(digest)
}

/**
 * Encodes a digest in SHA-crypt's own base 64: three bytes, from positions that the specification lists, become four
 * characters, the lowest bits first.
 */
function encode(digest: Buffer): string {
  const characters = (value: number, count: number) =>
    Array.from({ length: count }, (_, i) => CRYPT_ALPHABET[(value >> (6 * i)) & 63]).join('')
  let text = ''
  for (let i = 0, [a, b, c] = [0, 10, 20]; i < 10; i++, [a, b, c] = [c + 1, a + 1, b + 1])
    text += characters(digest.readUInt8(a) * 65536 + digest.readUInt8(b) * 256 + digest.readUInt8(c), 4)
  return text + characters(digest.readUInt8(31) * 256 + digest.readUInt8(30), 3)
}
