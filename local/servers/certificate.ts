import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generate } from 'selfsigned'

/**
 * Makes a self-signed certificate for `localhost` and 127.0.0.1 and its key: the files `server.crt` and `server.key` in `folder`.
 * @returns the paths of both; clients trust `caFile`, which is the certificate itself
 */
export async function makeCertificate(folder: string): Promise<{ caFile: string; keyFile: string }> {
  const caFile = join(folder, 'server.crt')
  const keyFile = join(folder, 'server.key')
  const names = [
    { type: 2 as const, value: 'localhost' },
    { type: 7 as const, ip: '127.0.0.1' },
  ]
  // Each certificate has another name: of two with the same name in one file, OpenSSL uses only the first.
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
