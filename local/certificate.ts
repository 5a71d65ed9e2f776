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
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
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
