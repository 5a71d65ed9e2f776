import { expect, test } from 'vitest'
import { callerOf } from '../../../fleet/readers/principal.ts'
import { type ReadEvent, readEventIn, readResultOf } from '../../../fleet/readers/readEvent.ts'
import { readTargetsOf } from '../../../fleet/readers/readTarget.ts'
import { account, eventAt, session, user } from './trail.ts'

const at = '2026-11-30T06:00:00Z'

function read(detail: Parameters<typeof eventAt>[1]): ReadEvent {
  const event = readEventIn(eventAt(at, detail).CloudTrailEvent)
  if (!event) throw new Error('the event cannot be read')
  return event
}

const by = (userIdentity: object) =>
  callerOf(read({ eventName: 'GetSecretValue', requestParameters: { secretId: 'shop' }, userIdentity }))

test.each([
  ['a user', user('Alice'), { principal: `arn:aws:iam::${account}:user/Alice` }],
  [
    'a role',
    session('shop', 'i-0abc'),
    { principal: `arn:aws:iam::${account}:role/shop`, session: 'i-0abc' },
  ],
  [
    'a role in a path',
    session('shop', 'checkout', '/apps/'),
    { principal: `arn:aws:iam::${account}:role/apps/shop`, session: 'checkout' },
  ],
  [
    'a role of which the issuer is not told',
    { ...session('shop', 'checkout'), sessionContext: {} },
    { principal: `arn:aws:iam::${account}:role/shop`, session: 'checkout' },
  ],
  ['a service', { type: 'AWSService', invokedBy: 'ecs.amazonaws.com' }, { principal: 'ecs.amazonaws.com' }],
  [
    'another account',
    { type: 'AWSAccount', principalId: 'AROAIDPPEZS35WEXAMPLE:build', accountId: '999988887777' },
    { principal: 'account 999988887777 AROAIDPPEZS35WEXAMPLE', session: 'build' },
  ],
  [
    'the root user',
    { type: 'Root', principalId: account, arn: `arn:aws:iam::${account}:root`, accountId: account },
    { principal: `arn:aws:iam::${account}:root` },
  ],
  [
    'a federated user',
    {
      type: 'FederatedUser',
      principalId: `${account}:Anna`,
      arn: `arn:aws:sts::${account}:federated-user/Anna`,
      accountId: account,
      sessionContext: { sessionIssuer: { type: 'IAMUser', arn: `arn:aws:iam::${account}:user/Bob` } },
    },
    { principal: `arn:aws:sts::${account}:federated-user/Anna` },
  ],
  [
    'a user of Identity Center',
    { type: 'IdentityCenterUser', accountId: account, onBehalfOf: { userId: '544894e8' } },
    { principal: 'Identity Center user 544894e8' },
  ],
  ['a caller of whom nothing is known', {}, { principal: 'unknown' }],
])('%s', (_, identity, caller) => {
  expect(by(identity)).toEqual(caller)
})

const path = { path: '/shop', withDecryption: true }

test.each([
  ['GetSecretValue', { secretId: 'shop', versionStage: 'AWSCURRENT' }, ['secret:shop']],
  ['GetParameter', { name: '/shop/db', withDecryption: true }, ['parameter:/shop/db']],
  ['GetParameters', { names: ['/a', '/b:3'] }, ['parameter:/a', 'parameter:/b:3']],
  ['GetParameterHistory', { name: '/shop/db' }, ['parameter:/shop/db']],
  ['GetParametersByPath', path, ['below:/shop']],
  ['GetParametersByPath', { ...path, recursive: false }, ['below:/shop']],
  ['GetParametersByPath', { ...path, recursive: true }, ['far-below:/shop']],
  ['GetParametersByPath', { ...path, nextToken: 'AAEAAWTrG1Xz' }, []],
  ['GetParameterHistory', { name: '/shop/db', nextToken: 'AAEAAWTrG1Xz' }, []],
])('%s with %j reads the right names', (eventName, requestParameters, targets) => {
  expect(readTargetsOf(read({ eventName, requestParameters }))).toEqual(targets)
})

const refusal = (action: string, resource: string) =>
  `User: arn:aws:iam::${account}:user/Alice is not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`
const parameter = `arn:aws:ssm:eu-west-1:${account}:parameter`

// Seen in CloudTrail: a refusal of Parameter Store has the name only in its error message.
test.each([
  ['GetParameter', refusal('ssm:GetParameter', `${parameter}/shop/db`), [`parameter:${parameter}/shop/db`]],
  ['GetParameters', refusal('ssm:GetParameters', `${parameter}/shop/db`), [`parameter:${parameter}/shop/db`]],
  ['GetParametersByPath', refusal('ssm:GetParametersByPath', `${parameter}/shop`), ['far-below:/shop']],
  ['GetSecretValue', refusal('secretsmanager:GetSecretValue', 'shop'), ['secret:shop']],
  ['GetParameter', 'no', undefined],
])('the name that a refused %s asked for is in the error message', (eventName, errorMessage, targets) => {
  const event = read({ eventName, requestParameters: null, errorCode: 'AccessDenied', errorMessage })
  expect([readResultOf(event), readTargetsOf(event)]).toEqual(['denied', targets])
})

test.each([
  [{}, 'read'],
  [{ errorCode: 'AccessDenied' }, 'denied'],
  [{ errorCode: 'AccessDeniedException', errorMessage: 'Access to KMS is not allowed' }, 'denied'],
  [{ errorCode: 'VpceAccessDenied' }, 'denied'],
  [{ errorCode: 'ResourceNotFoundException' }, undefined],
  [{ errorCode: 'ThrottlingException' }, undefined],
  [{ sourceIPAddress: 'ssm.amazonaws.com' }, 'forwarded'],
  [{ userIdentity: { ...user('Alice'), invokedBy: 'ssm.amazonaws.com' } }, 'forwarded'],
])('an event with %j counts as: %s', (more, result) => {
  const detail = { eventName: 'GetSecretValue', requestParameters: { secretId: 'shop' }, ...more }
  expect(readResultOf(read(detail))).toBe(result)
})

test.each([
  undefined,
  '',
  'null',
  '{"eventName":"GetSecretValue"',
  '{"eventName":"GetSecretValue"}',
  '{"eventName":"PutSecretValue","userIdentity":{}}',
  JSON.stringify({
    eventName: 'GetSecretValue',
    userIdentity: {},
    requestParameters: { secretId: 'x'.repeat(2049) },
  }),
])('an event that is no read is ignored: %s', json => {
  expect(readEventIn(json)).toBeUndefined()
})
