import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generate } from 'selfsigned'

/**
 * Makes a certificate for `localhost` and 127.0.0.1: `server.crt`, which is also the issuer to trust, and its key
 * `server.key`, both in `folder`.
 */
export async function makeCertificate(folder: string): Promise<{ caFile: string; keyFile: string }> {
  const caFile = join(folder, 'server.crt')
  const keyFile = join(folder, 'server.key')
  const names = [
    { type: 2 as const, value: 'localhost' },
    { type: 7 as const, ip: '127.0.0.1' },
  ]
  // Of its own: of two that have the same, in one file, OpenSSL finds only the first.
  const subject = [{ name: 'commonName', value: randomBytes(16).toString('hex') }]
  const { cert, private: key } = await generate(subject, {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: names },
    ],
  })
  writeFileSync(caFile, cert)
  writeFileSync(keyFile, key, { mode: 0o600 })
  return { caFile, keyFile }
}
