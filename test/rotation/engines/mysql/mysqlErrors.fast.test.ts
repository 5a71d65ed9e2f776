import { expect, test } from 'vitest'
import { Credential } from '../../../../rotation/credential.ts'
import { translate, translateLogin } from '../../../../rotation/engines/mysql/mysqlErrors.ts'

const serverError = (errno: number, message = '') =>
  // Before the handshake, a server says no SQLSTATE.
  Object.assign(new Error(message), { errno, ...(![1129, 1130].includes(errno) && { sqlState: 'HY000' }) })

test.each([
  [1040, 'Unreachable', 'no room'],
  [1203, 'Unreachable', 'no room'],
  [1226, 'Unreachable', 'no room'],
  [3118, 'LoginRefused', 'locked'],
  [3955, 'LoginRefused', 'locked'],
  [4151, 'LoginRefused', 'locked'],
  [1049, 'InvalidCredential', 'no such database'],
  [1130, 'NotPermitted', 'this address'],
  [1129, 'NotPermitted', 'blocks this address'],
  [1820, 'NotPermitted', 'expired'],
  [1862, 'NotPermitted', 'expired'],
  [3159, 'TlsFailed', 'ssl: false'],
  [1819, 'NotPermitted', 'keyturn: tags'],
  [3638, 'NotPermitted', 'keyturn: tags'],
  [1133, 'NotPermitted', 'no such account'],
  [1396, 'NotPermitted', 'no such account'],
  [1141, 'Conflict', 'revoked'],
  [1147, 'Conflict', 'revoked'],
  [3891, 'Conflict', 'changed the password'],
  [1205, 'Conflict', 'lock'],
  [1213, 'Conflict', 'same rows'],
  [1792, 'Unreachable', 'read-only'],
  [1836, 'Unreachable', 'read-only'],
  [1317, 'Unreachable', 'too long'],
  [3024, 'Unreachable', 'too long'],
  [1969, 'Unreachable', 'too long'],
  [1053, 'Unreachable', 'starting or stopping'],
  [1135, 'Unreachable', 'no room'],
  [3032, 'Unreachable', 'offline mode'],
  [3168, 'Unreachable', 'starting or stopping'],
  [9001, 'Unreachable', 'no room'],
  [1927, 'Unreachable', 'broke'],
  [3169, 'Unreachable', 'broke'],
  [4031, 'Unreachable', 'broke'],
  [1064, 'DatabaseFailed', '1064'],
])('error %i becomes %s, which says why, and keeps none of the server’s words', (errno, name, why) => {
  const error = translate(serverError(errno, 'a secret'), 'here')
  expect(error).toMatchObject({ name, message: expect.stringContaining(why) })
  expect(String(error)).not.toContain('a secret')
  expect(error).not.toHaveProperty('cause')
})

test.each([1044, 1045, 1142, 1143, 1211, 1227, 1290, 1370, 1410, 1524, 1698, 4006])(
  'error %i becomes NotPermitted with the server’s words, which name nothing but accounts',
  errno => {
    expect(translate(serverError(errno, 'denied to app'), 'here')).toMatchObject({
      name: 'NotPermitted',
      message: 'here: denied to app',
    })
  },
)

test.each([
  ['running with the --read-only option', 'Unreachable', 'read-only'],
  ['running with the --super_read_only option', 'Unreachable', 'read-only'],
  ['running with the --strict-password-validation option', 'NotPermitted', 'no password hashes'],
])('error 1290 %s becomes %s', (message, name, why) => {
  const error = translate(serverError(1290, message), 'here')
  expect(error).toMatchObject({ name, message: expect.stringContaining(why) })
})

test.each([
  ['HANDSHAKE_NO_SSL_SUPPORT', '', 'TlsFailed'],
  ['HANDSHAKE_SSL_ERROR', 'unable to get local issuer certificate', 'TlsFailed'],
  ['HANDSHAKE_SSL_ERROR', 'read ECONNRESET', 'Unreachable'],
  ['HANDSHAKE_SSL_ERROR', 'Client network socket disconnected before secure TLS …', 'Unreachable'],
  ['AUTH_SWITCH_PLUGIN_ERROR', 'Server requests authentication using unknown plugin x', 'NotPermitted'],
  ['AUTH_SWITCH_PLUGIN_ERROR', 'Invalid AuthMoreData packet', 'Unreachable'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', '', 'TlsFailed'],
  ['HANDSHAKE_UNKNOWN_ERROR', '', 'Unreachable'],
  ['ERR_OUT_OF_RANGE', 'a secret', 'Unreachable'],
  ['', 'a secret', 'Unreachable'],
  ['MYSQL_CLEAR_PASSWORD_NOT_ENABLED', '', 'NotPermitted'],
  ['PROTOCOL_SEQUENCE_TIMEOUT', '', 'Unreachable'],
  ['PROTOCOL_CONNECTION_LOST', '', 'Unreachable'],
  ['ECONNREFUSED', '', 'Unreachable'],
  ['', "Can't add new command when connection is in closed state", 'Unreachable'],
])('the driver’s error %s %s becomes %s', (code, message, name) => {
  const syscall = message.startsWith('read ') ? { syscall: 'read' } : {}
  const error = translate(Object.assign(new Error(message), { code, ...syscall }), 'here')
  expect(error).toMatchObject({ name })
  expect(error.message).not.toContain('a secret')
})

test('a thrown value that is no error of the driver becomes Unreachable', () => {
  for (const thrown of [undefined, null, 'text', 7, {}, new TypeError('x')])
    expect(translate(thrown, 'here')).toMatchObject({ name: 'Unreachable' })
})

test.each(['08S01', '08004', 'HY001'])('any error of class %s becomes Unreachable', sqlState => {
  expect(translate(Object.assign(new Error('x'), { errno: 64000, sqlState }), 'here')).toMatchObject({
    name: 'Unreachable',
    message: 'here: error 64000',
  })
})

test('a login names a forbidden database as the wrong field, and a refusal without TLS as the lack of TLS', () => {
  const value = { engine: 'mysql', host: 'h', username: 'app', password: 'p' }
  const login = (errno: number, more = {}) =>
    translateLogin(serverError(errno), Credential.parse(JSON.stringify({ ...value, ...more })))
  expect(login(1044)).toMatchObject({ name: 'InvalidCredential', field: 'dbname' })
  const unencrypted = expect.stringContaining('ssl: false')
  expect(login(1045, { ssl: false })).toMatchObject({ name: 'LoginRefused', message: unencrypted })
  for (const errno of [1045, 1698]) {
    const refused = {
      name: 'LoginRefused',
      message: expect.stringMatching(/the user or its password was refused$/),
    }
    expect(login(errno)).toMatchObject(refused)
  }
})
