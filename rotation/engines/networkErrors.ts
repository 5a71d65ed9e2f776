/**
 * Matches the `code` of a system error of Node, such as ECONNREFUSED: the server cannot be reached. Every driver passes these
 * codes on. The server errors of MySQL, which begin with ER_, and Node's own ERR_ codes do not match, nor does EPROTO, which is a
 * failed TLS handshake. https://nodejs.org/api/errors.html#common-system-errors
 */
export const UNREACHABLE_CODE = /^E(?!PROTO$|RR|R_)[A-Z][A-Z0-9_]*$/

/**
 * Matches the `code` of a failed TLS handshake, such as CERT_HAS_EXPIRED: the server is not trusted. OpenSSL's codes have no
 * common prefix, and releases of OpenSSL may add some, so every code matches that is not known to be of another kind: system
 * errors begin with E, and most codes of MySQL's driver with PROTOCOL_ or HANDSHAKE_.
 * https://nodejs.org/api/tls.html#x509-certificate-error-codes
 */
export const TLS_FAILURE_CODE =
  /^(EPROTO$|ERR_(TLS|SSL|OSSL)_|ERROR_IN_|(?!E|PROTOCOL_|HANDSHAKE_)[A-Z][A-Z_]+$)/
