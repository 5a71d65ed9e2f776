import { readFileSync } from 'node:fs'
import { checkServerIdentity, createSecureContext, type PeerCertificate, type SecureContext } from 'node:tls'
import { TlsFailed } from '../errors.ts'

/** Reads the CA certificates of a PEM file, as text. @throws TlsFailed if the file cannot be read */
export function readCaFile(caFile: string): string {
  return readPem(caFile, () => readFileSync(caFile, 'utf8'))
}

/**
 * Prepares a TLS context that trusts the CA certificates of a PEM file. Parsing a bundle of them takes milliseconds, so the
 * returned function does that once, at its first call.
 * @returns a function that returns the context, and throws TlsFailed if the file cannot be read
 */
export function lazySecureContext(caFile: string): () => SecureContext {
  let context: SecureContext | undefined
  return () => {
    context ??= readPem(caFile, () => createSecureContext({ ca: readFileSync(caFile, 'utf8') }))
    return context
  }
}

/**
 * Makes a `checkServerIdentity` function for a TLS connection, which Node calls once it trusts the certificate's issuer
 * (https://nodejs.org/api/tls.html#tlsconnectoptions-callback). It reports the certificate, and then compares the host
 * names as Node does by default.
 */
export function reportCertificateTo(
  onCertificate: (certificate: PeerCertificate) => void,
): typeof checkServerIdentity {
  return (host, certificate) => {
    onCertificate(certificate)
    return checkServerIdentity(host, certificate)
  }
}

function readPem<T>(caFile: string, read: () => T): T {
  try {
    return read()
  } catch {
    throw new TlsFailed(`the CA file ${caFile} cannot be read as PEM`)
  }
}
