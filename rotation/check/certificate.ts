import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { DAY_MS } from '../timeUnits.ts'
import type { Seen } from './report.ts'

/** How many days before a certificate expires the check begins to warn. */
const EXPIRY_WARNING_DAYS = 21

/**
 * Describes the certificate of a server: its issuer, whether it names the host, and when it expires. That its issuer is trusted was
 * checked before.
 * @param now in milliseconds since 1970
 */
export function describeCertificate(
  host: string,
  certificate: PeerCertificate,
  now = Date.now(),
): Seen<undefined> {
  const issuer = first(certificate.issuer?.O) ?? first(certificate.issuer?.CN) ?? 'an issuer without a name'
  const days = Math.floor((Date.parse(certificate.valid_to) - now) / DAY_MS)
  const names = checkServerIdentity(host, certificate)
    ? 'its names do not hold this host'
    : `it names ${host}`
  const says = `the certificate is of ${issuer}, ${names}, and ends in ${days} days`
  return {
    says,
    value: undefined,
    ...(days < EXPIRY_WARNING_DAYS && {
      remedy: 'Renew the certificate of the server: once it has ended, nobody logs in.',
    }),
  }
}

const first = (name: string | string[] | undefined) => (Array.isArray(name) ? name[0] : name) || undefined
