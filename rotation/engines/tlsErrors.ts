import { TlsFailed } from '../errors.ts'

/** What to do where the server may want TLS. */
export const TAKE_SSL_OUT = 'Take "ssl": false out of the value: TLS is used then.'

/** The server lets nobody in without TLS. */
export const wantsTls = (where: string): TlsFailed =>
  new TlsFailed(`${where}: the server wants TLS, but the credential says ssl: false`, {
    remedy: TAKE_SSL_OUT,
  })

/** The server has no TLS at all. */
export const offersNoTls = (where: string): TlsFailed =>
  new TlsFailed(`${where}: the server offers no TLS; to accept that, store "ssl": false`, {
    remedy: 'Turn TLS on in the server; or store "ssl": false, and all goes in clear text.',
  })
