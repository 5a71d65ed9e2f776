import { expect, test } from 'vitest'
import { translate } from '../../../../rotation/engines/postgres/postgresErrors.ts'

const serverError = (code: string, message = '', more = {}) =>
  Object.assign(new Error(message), { severity: 'ERROR', code, ...more })

test.each([
  ['28P01', 'LoginRefused', 'refused'],
  ['28000', 'LoginRefused', 'refused'],
  ['3D000', 'InvalidCredential', 'no such database'],
  ['25006', 'Unreachable', 'read-only'],
  ['57014', 'Unreachable', 'too long'],
  ['55P03', 'Conflict', 'lock'],
  ['42710', 'Conflict', 'made the same role'],
  ['23505', 'Conflict', 'made the same role'],
  ['25P04', 'Unreachable', 'too long'],
  ['40001', 'Conflict', 'same rows'],
  ['40P01', 'Conflict', 'same rows'],
  ['53300', 'Unreachable', 'no room'],
  ['57P01', 'Unreachable', 'starting or stopping'],
  ['08006', 'Unreachable', 'broke'],
  ['08P01', 'Unreachable', 'broke'],
  ['42P01', 'DatabaseFailed', '42P01'],
])('SQLSTATE %s becomes %s, which says why, and keeps none of the server’s words', (code, name, why) => {
  const error = translate(serverError(code, 'a secret'), 'here')
  expect(error).toMatchObject({ name, message: expect.stringContaining(why) })
  expect(String(error)).not.toContain('a secret')
  expect(error).not.toHaveProperty('cause')
})

test.each([
  ['42501', 'permission denied to alter role', 'NotPermitted'],
  ['2BP01', 'role "app_clone" cannot be dropped because some objects depend on it', 'NotPermitted'],
  ['42704', 'role "app_clone" does not exist', 'NotPermitted'],
])('SQLSTATE %s keeps the server’s words, which name nothing but roles: %s', (code, message, name) => {
  expect(translate(serverError(code, message), 'here')).toMatchObject({ name, message: `here: ${message}` })
})

test.each<[string, string, string?]>([
  ['no pg_hba.conf entry for host "h", user "u", no encryption', 'TlsFailed'],
  ['no pg_hba.conf entry for host "h", user "u", SSL encryption', 'NotPermitted'],
  ['connection requires a valid client certificate', 'NotPermitted'],
  ['Peer authentication failed for user "u"', 'NotPermitted', 'auth_failed'],
  ['certificate authentication failed for user "u"', 'NotPermitted', 'auth_failed'],
  ['password authentication failed for user "u"', 'LoginRefused', 'auth_failed'],
  ['role "u" is not permitted to log in', 'LoginRefused'],
])('SQLSTATE 28000 %s becomes %s', (message, name, routine) => {
  expect(translate(serverError('28000', message, { routine }), 'here')).toMatchObject({ name })
})

test.each([
  ['42704', 'Rolle »app_clone« existiert nicht', 'AlterRole', 'NotPermitted'],
  ['42704', 'Typ »t« existiert nicht', 'typenameType', 'DatabaseFailed'],
  ['55000', 'Datenbank »shop« akzeptiert gegenwärtig keine Verbindungen', 'CheckMyDatabase', 'Unreachable'],
  ['55000', 'lastval is not yet defined in this session', 'lastval', 'DatabaseFailed'],
])('SQLSTATE %s %s is recognised by its routine, whatever the language', (code, message, routine, name) => {
  expect(translate(serverError(code, message, { routine }), 'here')).toMatchObject({ name })
})

// All of OpenSSL's errors that Node has a code for, and some codes that it makes for the others.
test.each([
  ...['UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_CRL', 'UNABLE_TO_DECRYPT_CERT_SIGNATURE'],
  ...['UNABLE_TO_DECRYPT_CRL_SIGNATURE', 'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY', 'CERT_SIGNATURE_FAILURE'],
  ...[
    'CRL_SIGNATURE_FAILURE',
    'CERT_NOT_YET_VALID',
    'CERT_HAS_EXPIRED',
    'CRL_NOT_YET_VALID',
    'CRL_HAS_EXPIRED',
  ],
  ...['ERROR_IN_CERT_NOT_BEFORE_FIELD', 'ERROR_IN_CERT_NOT_AFTER_FIELD', 'ERROR_IN_CRL_LAST_UPDATE_FIELD'],
  ...[
    'ERROR_IN_CRL_NEXT_UPDATE_FIELD',
    'OUT_OF_MEM',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
  ],
  ...['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'CERT_CHAIN_TOO_LONG'],
  ...[
    'CERT_REVOKED',
    'INVALID_CA',
    'PATH_LENGTH_EXCEEDED',
    'INVALID_PURPOSE',
    'CERT_UNTRUSTED',
    'CERT_REJECTED',
  ],
  ...[
    'HOSTNAME_MISMATCH',
    'UNSPECIFIED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'ERR_TLS_CERT_ALTNAME_FORMAT',
    'EPROTO',
  ],
  ...['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'ERR_OSSL_EVP_UNSUPPORTED'],
])('the TLS error %s becomes TlsFailed', code => {
  expect(translate(Object.assign(new Error('x'), { code }), 'here')).toMatchObject({
    name: 'TlsFailed',
    message: `here: ${code}`,
  })
})

test.each([
  ...[
    'ECONNREFUSED',
    'ECONNRESET',
    'EHOSTUNREACH',
    'ENETDOWN',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EAI_FAIL',
    'ETIMEDOUT',
  ],
  ...['EPIPE', 'EADDRNOTAVAIL', 'EMFILE', 'ENOENT', 'EACCES', 'EINVAL', 'ENOBUFS', 'ESERVFAIL', 'ENODATA'],
])('the network error %s becomes Unreachable', code => {
  expect(translate(Object.assign(new Error('x'), { code }), 'here')).toMatchObject({
    name: 'Unreachable',
    message: `here: ${code}`,
  })
})

test.each([
  ['SASL: SCRAM-SERVER-FIRST-MESSAGE: nonce missing', {}, 'Unreachable'],
  ['Unknown authenticationOk message type 42', {}, 'Unreachable'],
  ['received invalid response: 48', {}, 'Unreachable'],
  ['an error', { severity: 'FATAL' }, 'DatabaseFailed'],
  ['an error', { severity: 'FATAL', code: 'constructor' }, 'DatabaseFailed'],
  ['options.port should be >= 0', { code: 'ERR_SOCKET_BAD_PORT' }, 'InvalidCredential'],
  ['The argument must be a string', { code: 'ERR_INVALID_ARG_VALUE' }, 'InvalidCredential'],
])('the error %s, %o, becomes %s', (message, more, name) => {
  expect(translate(Object.assign(new Error(message), more), 'here')).toMatchObject({ name })
  expect(translate(Object.assign(new RangeError(message), more), 'here')).toMatchObject({ name })
})

test('an internal error becomes Conflict only if two sessions altered the same role at once', () => {
  const internal = (routine: string) => translate(serverError('XX000', '', { routine }), 'here')
  expect(internal('simple_heap_update')).toMatchObject({ name: 'Conflict' })
  expect(internal('elog')).toMatchObject({ name: 'DatabaseFailed' })
})
