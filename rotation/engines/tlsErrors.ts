import { TlsFailed } from '../errors.ts'

/** What to do where the server may want TLS. */
export const REMOVE_SSL_FALSE = 'Take "ssl": false out of the value: TLS is used then.'

/** The server lets nobody in without TLS. */
export const tlsRequiredError = (where: string): TlsFailed =>
  new TlsFailed(`${where}: the server wants TLS, but the credential says ssl: false`, {
    remedy: REMOVE_SSL_FALSE,
  })

/** The server has no TLS at all. */
export const tlsNotOfferedError = (where: string): TlsFailed =>
  new TlsFailed(`${where}: the server offers no TLS; to accept that, store "ssl": false`, {
    remedy: 'Turn TLS on in the server; or store "ssl": false, and all goes in clear text.',
  })
