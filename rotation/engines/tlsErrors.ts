import { TlsFailed } from '../errors.ts'

/** The remedy for an error at a login without TLS, if the server may require TLS. */
export const REMOVE_SSL_FALSE = 'Take "ssl": false out of the value: TLS is used then.'

/** The error for a login without TLS at a server that requires TLS. `where` names the login. */
export const tlsRequiredError = (where: string): TlsFailed =>
  new TlsFailed(`${where}: the server wants TLS, but the credential says ssl: false`, {
    remedy: REMOVE_SSL_FALSE,
  })

/** The error for a login with TLS at a server that does not offer TLS. `where` names the login. */
export const tlsNotOfferedError = (where: string): TlsFailed =>
  new TlsFailed(`${where}: the server offers no TLS; to accept that, store "ssl": false`, {
    remedy: 'Turn TLS on in the server; or store "ssl": false, and all goes in clear text.',
  })
