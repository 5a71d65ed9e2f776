import { createHash, createPrivateKey, createPublicKey, pbkdf2Sync, randomBytes, sign } from 'node:crypto'

/** An authentication plugin of the driver: for each login, a function that answers what the server sends. */
type LoginPlugin = (from: { connection: { config: { password?: string } } }) => (data: Buffer) => Buffer

/**
 * MariaDB's own authentication plugins, which the driver does not have, by the names that the server uses
 * (https://mariadb.com/docs/server/reference/plugins/authentication-plugins).
 */
export const authPlugins: Record<string, LoginPlugin> = {
  client_ed25519:
    ({ connection }) =>
    scramble =>
      ed25519Signature(connection.config.password ?? '', scramble.subarray(0, 32)),
  parsec({ connection }) {
    let scramble: Buffer | undefined
    return data => {
      if (!scramble) {
        scramble = Buffer.from(data.subarray(0, 32))
        // The server sends the salt once it gets an empty answer.
        return Buffer.alloc(0)
      }
      // The second message is a letter, the factor and the salt.
      const clientScramble = randomBytes(32)
      const key = parsecKey(
        connection.config.password ?? '',
        data.readUInt8(1),
        data.subarray(2, 2 + SALT_BYTES),
      )
      return Buffer.concat([clientScramble, sign(null, Buffer.concat([scramble, clientScramble]), key)])
    }
  },
}

/** Base64 without padding, as MariaDB stores it. */
const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')

const SALT_BYTES = 18

/**
 * Computes what MariaDB stores for a password under parsec: `P0:<salt>:<public key>`, of an Ed25519 key that is derived from
 * the password.
 */
export function parsecPasswordHash(password: string, salt = randomBytes(SALT_BYTES)): string {
  const { x: publicKey = '' } = createPublicKey(parsecKey(password, 0, salt)).export({ format: 'jwk' })
  return `P0:${base64(salt)}:${base64(Buffer.from(publicKey, 'base64url'))}`
}

/** Derives the key of parsec by PBKDF2 with 1024 * 2 ** `factor` iterations. */
function parsecKey(password: string, factor: number, salt: Buffer) {
  const seed = pbkdf2Sync(password, salt, 1024 << factor, 32, 'sha512')
  // These are the fixed first bytes of an Ed25519 private key in PKCS #8 (RFC 8410).
  const key = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

/** Computes what MariaDB stores for a password under ed25519: the public key of an Ed25519 key pair made from the password. */
export function ed25519PasswordHash(password: string): string {
  return base64(encodePoint(multiplyPoint(ed25519Key(password).scalar, BASE_POINT)))
}

/**
 * Signs as Ed25519 does in RFC 8032, section 5.1.6, with one difference: MariaDB hashes the password where the standard hashes
 * 32 random bytes. So Node's own Ed25519 cannot be used.
 */
function ed25519Signature(password: string, message: Buffer): Buffer {
  const { scalar, prefix } = ed25519Key(password)
  const nonce = readNumber(sha512(prefix, message)) % ORDER
  const r = encodePoint(multiplyPoint(nonce, BASE_POINT))
  const k = readNumber(sha512(r, encodePoint(multiplyPoint(scalar, BASE_POINT)), message)) % ORDER
  return Buffer.concat([r, writeNumber((nonce + k * scalar) % ORDER)])
}

const sha512 = (...parts: (Buffer | string)[]) => {
  const digest = createHash('sha512')
  for (const part of parts) digest.update(part)
  return digest.digest()
}

/** RFC 8032, section 5.1.5, steps 1 to 3, with the password in place of the private key. */
function ed25519Key(password: string) {
  const digest = sha512(password)
  const low = Buffer.from(digest.subarray(0, 32))
  low.writeUInt8(low.readUInt8(0) & 248, 0)
  low.writeUInt8((low.readUInt8(31) & 127) | 64, 31)
  return { scalar: readNumber(low), prefix: digest.subarray(32) }
}

/** Reads a little-endian number. */
const readNumber = (buffer: Buffer) => BigInt(`0x${Buffer.from(buffer).reverse().toString('hex')}`)
/** Writes a number as 32 bytes, little-endian. */
const writeNumber = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse()

// The values below are those of RFC 8032: section 5.1 has the curve, and section 5.1.4 the addition, whose A to D are a to d here.
const PRIME = 2n ** 255n - 19n
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const mod = (value: bigint) => ((value % PRIME) + PRIME) % PRIME
type Point = [x: bigint, y: bigint, z: bigint, t: bigint]

function power(value: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = value, rest = exponent; rest > 0n; square = mod(square * square), rest >>= 1n)
    if (rest & 1n) result = mod(result * square)
  return result
}
const inverse = (value: bigint) => power(mod(value), PRIME - 2n)

const CURVE_D = mod(-121665n * inverse(121666n))
const BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202n
const BASE_Y = mod(4n * inverse(5n))
const BASE_POINT: Point = [BASE_X, BASE_Y, 1n, mod(BASE_X * BASE_Y)]

function addPoints([x1, y1, z1, t1]: Point, [x2, y2, z2, t2]: Point): Point {
  const a = mod((y1 - x1) * (y2 - x2))
  const b = mod((y1 + x1) * (y2 + x2))
  const c = mod(2n * CURVE_D * t1 * t2)
  const d = mod(2n * z1 * z2)
  return [(b - a) * (d - c), (d + c) * (b + a), (d - c) * (d + c), (b - a) * (b + a)].map(mod) as Point
}

function multiplyPoint(scalar: bigint, point: Point): Point {
  let sum: Point = [0n, 1n, 1n, 0n]
  for (let double = point, rest = scalar; rest > 0n; double = addPoints(double, double), rest >>= 1n)
    if (rest & 1n) sum = addPoints(sum, double)
  return sum
}

function encodePoint([x, y, z]: Point): Buffer {
  const inverseZ = inverse(z)
  return writeNumber(mod(y * inverseZ) | ((mod(x * inverseZ) & 1n) << 255n))
}
