/**
 * The codes of Node's errors, as every driver passes them on. System errors, which say that there is no way to the
 * server, begin with E; MySQL's own begin with ER_.
 */
export const UNREACHABLE_CODE = /^E(?!PROTO$|RR|R_)[A-Z][A-Z0-9_]*$/

/**
 * A server that is not trusted. What OpenSSL finds wrong with a certificate has names with nothing in common, to which
 * each of its releases may add: so whatever is no code of another kind counts as one.
 */
export const TLS_FAILURE_CODE =
  /^(EPROTO$|ERR_(TLS|SSL|OSSL)_|ERROR_IN_|(?!E|PROTOCOL_|HANDSHAKE_)[A-Z][A-Z_]+$)/
