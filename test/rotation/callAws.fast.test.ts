import { RDSClient } from '@aws-sdk/client-rds'
import { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { SFNClient } from '@aws-sdk/client-sfn'
import { SSMClient } from '@aws-sdk/client-ssm'
import { describe, expect, test } from 'vitest'
import { Executions } from '../../fleet/executions.ts'
import { Inventory } from '../../fleet/inventory.ts'
import { findRecentRotations } from '../../fleet/recentRotations.ts'
import { ServerLocks } from '../../fleet/serverLocks.ts'
import { callAws } from '../../rotation/callAws.ts'
import { Conflict } from '../../rotation/errors.ts'
import { Rds } from '../../rotation/rds.ts'
import { ParameterCalls } from '../../rotation/stores/parameterCalls.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'

/** What a client gets: an error of the service by its name, a network error, or an answer. */
type Answer = { refusal: string } | { error: Error } | { answer: object }

/** The options of a client without a network, which gets this answer to each call. */
function getting(answer: Answer) {
  const refusal = 'refusal' in answer ? answer.refusal : undefined
  const json = 'answer' in answer ? answer.answer : { __type: refusal, message: 'Quoted-1' }
  const error = `<ErrorResponse><Error><Code>${refusal}</Code><Message>Quoted-1</Message></Error></ErrorResponse>`
  const handle = async ({ headers }: { headers: Record<string, string> }) => {
    if ('error' in answer) throw answer.error
    const text = headers['x-amz-target'] ? JSON.stringify(json) : error
    return { response: { statusCode: refusal ? 400 : 200, headers: {}, body: Buffer.from(text) } }
  }
  return {
    region: 'eu-west-1',
    credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
    maxAttempts: 1,
    requestHandler: { handle } as never,
  }
}

const token = '8f14e45f-ceea-467f-a0e6-0123456789ab'
const arn = (kind: string) => `arn:aws:states:eu-west-1:123456789012:${kind}:keyturn-rotate`
const latest = (answer: Answer) => new Executions(arn('execution'), getting(answer)).findLatestAttempt(token)
const find = (answer: Answer) => new ServerLocks(arn('stateMachine'), getting(answer)).findExecution('one')
const listed = (answer: Answer) => findRecentRotations(new SFNClient(getting(answer)), arn('stateMachine'))

function tagged(answer: Answer): Promise<unknown> {
  const ssm = new SSMClient(getting({ answer: {} }))
  const secrets = new SecretsManagerClient(getting({ answer: { SecretList: [] } }))
  return new Inventory(
    { ssm, secrets, tagging: new ResourceGroupsTaggingAPIClient(getting(answer)) },
    'arn',
  ).listScheduled()
}

const away = Object.assign(new Error('Quoted-1'), { code: 'ECONNREFUSED' })
const late = Object.assign(new Error('Quoted-1'), { name: 'TimeoutError' })

/** One function that makes a call, and the name of the error by which it reports a missing item, if it does. */
type Service = {
  call(answer: Answer): Promise<unknown>
  refusals: Record<string, string | undefined>
  /** The names of the errors for a missing answer, and for an unknown error. */
  unanswered: string
  strange: string
}

const services: Record<string, Service> = {
  'Secrets Manager': {
    call: answer => new SecretsManager(new SecretsManagerClient(getting(answer))).describe('one'),
    refusals: {
      ThrottlingException: 'Throttled',
      InternalServiceError: 'Throttled',
      AccessDeniedException: 'NotPermitted',
      ResourceNotFoundException: 'InvalidCredential',
      ExpiredTokenException: 'StoreFailed',
      Odd: 'StoreFailed',
    },
    unanswered: 'Throttled',
    strange: 'TypeError',
  },
  'Parameter Store': {
    call: answer => new ParameterCalls(new SSMClient(getting(answer))).readHistory('one'),
    refusals: {
      ThrottlingException: 'Throttled',
      TooManyUpdates: 'Throttled',
      InternalServerError: 'Throttled',
      AccessDeniedException: 'NotPermitted',
      ParameterNotFound: 'InvalidCredential',
      InvalidKeyId: 'StoreFailed',
      Odd: 'StoreFailed',
    },
    unanswered: 'Throttled',
    strange: 'TypeError',
  },
  'Resource Groups Tagging API': {
    call: tagged,
    refusals: {
      ThrottledException: 'Throttled',
      InternalServiceException: 'Throttled',
      AccessDeniedException: 'NotPermitted',
      PaginationTokenExpiredException: 'StoreFailed',
      Odd: 'StoreFailed',
    },
    unanswered: 'Throttled',
    strange: 'TypeError',
  },
  'Step Functions, by a rotation': {
    call: latest,
    refusals: {
      ThrottlingException: 'Throttled',
      InternalServerError: 'Throttled',
      AccessDeniedException: 'NotPermitted',
      ExecutionDoesNotExist: undefined,
      StateMachineDoesNotExist: 'InvalidInput',
      InvalidArn: 'InvalidInput',
      ValidationException: 'InvalidInput',
      ExpiredTokenException: 'Throttled',
      Odd: 'Throttled',
    },
    unanswered: 'Throttled',
    strange: 'Throttled',
  },
  'Step Functions, by a run of what is due': {
    call: find,
    refusals: {
      ThrottlingException: 'Throttled',
      AccessDeniedException: 'NotPermitted',
      ExecutionDoesNotExist: undefined,
      InvalidArn: 'StoreFailed',
      ValidationException: 'StoreFailed',
      ExpiredTokenException: 'Throttled',
      Odd: 'Throttled',
    },
    unanswered: 'Throttled',
    strange: 'Throttled',
  },
  'Step Functions, by who lists executions': {
    call: listed,
    refusals: { StateMachineDoesNotExist: 'StoreFailed', Odd: 'Throttled' },
    unanswered: 'Throttled',
    strange: 'Throttled',
  },
  RDS: {
    call: answer => new Rds(new RDSClient(getting(answer))).findEndpoint('arn:aws:rds:eu-west-1:1:db:one'),
    refusals: {
      Throttling: 'Throttled',
      InternalFailure: 'Throttled',
      AccessDenied: 'NotPermitted',
      DBInstanceNotFoundFault: 'InvalidCredential',
      InvalidParameterValue: 'InvalidCredential',
      InvalidDBInstanceStateFault: 'RdsBusy',
      Odd: 'StoreFailed',
    },
    unanswered: 'Unreachable',
    strange: 'TypeError',
  },
}

/** @returns the name of the error that a call throws, whose message must have no text except that of a refusal */
async function nameOfFailure(call: Promise<unknown>): Promise<string | undefined> {
  const error = await call.then(
    found => {
      expect(found).toBeUndefined()
    },
    (thrown: Error) => thrown,
  )
  if (error?.name !== 'NotPermitted') expect(`${error?.message} ${error?.cause}`).not.toContain('Quoted')
  return error?.name
}

describe.each(Object.entries(services))('%s', (_, { call, refusals, unanswered, strange }) => {
  test.each(Object.entries(refusals))('refuses with %s: %s', async (refusal, name) => {
    expect(await nameOfFailure(call({ refusal }))).toBe(name)
  })

  test.each([away, late])('no answer: %s', async error => {
    expect(await nameOfFailure(call({ error }))).toBe(unanswered)
  })

  test('an error that is not the service’s stays as it is', async () => {
    expect(await nameOfFailure(call({ error: new TypeError('no') }))).toBe(strange)
  })
})

test('the message of a refusal has the caller and the action', async () => {
  const denied = latest({ refusal: 'AccessDeniedException' })
  await expect(denied).rejects.toThrow('Step Functions: Quoted-1')
})

describe('a call that no policy allows', () => {
  const user = 'User: arn:aws:sts::1:assumed-role/keyturn-prod-SetSecretRole-AbC/keyturn-prod-setSecret'
  const refused = (service: Parameters<typeof callAws>[0], message: string) =>
    callAws(service, () =>
      Promise.reject(Object.assign(new Error(message), { name: 'AccessDeniedException', $fault: 'client' })),
    )
  const because = (action: string) => `because no identity-based policy allows the ${action} action`

  test.each([
    [
      'Secrets Manager',
      `secretsmanager:GetSecretValue`,
      "check the name, and tag the secret keyturn:managed=true (an admin's keyturn:admin=true)",
    ],
    ['Parameter Store', 'ssm:GetParameter', 'check the name, and tag the parameter keyturn:managed=true'],
    ['RDS', 'rds:ModifyDBInstance', 'tag the instance or cluster keyturn:managed=true'],
  ] as const)(
    '%s: the message has the caller, the action and the tag, in one line',
    async (service, action, todo) => {
      const resource = 'arn:aws:x:eu-west-1:1:y/z'
      const on = refused(
        service,
        `${user} is not authorized to perform: ${action} on resource: ${resource} ${because(action)}`,
      )
      await expect(on).rejects.toMatchObject({
        name: 'NotPermitted',
        message: `${service}: keyturn-prod-setSecret may not call ${action} on ${resource}: ${todo}`,
      })
      const ofAny = refused(service, `${user} is not authorized to perform: ${action} ${because(action)}`)
      await expect(ofAny).rejects.toThrow(
        `${service}: keyturn-prod-setSecret may not call ${action}: ${todo}`,
      )
    },
  )

  test.each([
    [
      'Secrets Manager',
      `${user} is not authorized to perform: a:B because no VPC endpoint policy allows the a:B action`,
    ],
    [
      'Secrets Manager',
      `${user} is not authorized to perform: a:B with an explicit deny in a service control policy`,
    ],
    ['Secrets Manager', 'Access to KMS is not allowed'],
    ['Step Functions', `${user} is not authorized to perform: a:B ${because('a:B')}`],
  ] as const)('%s says by itself what is in the way: %s', async (service, message) => {
    await expect(refused(service, message)).rejects.toThrow(`${service}: ${message}`)
  })
})

test('a failure names the service, its error, and the request', async () => {
  const error = { name: 'Odd', $fault: 'client', $metadata: { requestId: 'request-1' } }
  const call = () => Promise.reject(Object.assign(new Error('Quoted-1'), error))
  await expect(callAws('Parameter Store', call)).rejects.toMatchObject({
    name: 'StoreFailed',
    message: 'Parameter Store: Odd, request request-1',
  })
})

test.each([
  'ThrottlingException',
  'InternalFailure',
  'InternalError',
  'InternalServerError',
  'InternalServiceErrorException',
  'ServiceUnavailable',
])('what a service answers by %s may pass: Throttled', async name => {
  const call = () => Promise.reject(Object.assign(new Error('no'), { name, $fault: 'server' }))
  await expect(callAws('RDS', call)).rejects.toMatchObject({ name: 'Throttled', message: `RDS: ${name}` })
})

test.each(['ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'EPIPE', 'ENOTFOUND'])(
  'no answer for %s may pass: Throttled, and Unreachable where there may be no way to the service',
  async code => {
    const call = () => Promise.reject(Object.assign(new Error('no'), { code }))
    const message = `Secrets Manager: ${code}`
    await expect(callAws('Secrets Manager', call)).rejects.toMatchObject({ name: 'Throttled', message })
    await expect(callAws('RDS', call)).rejects.toMatchObject({ name: 'Unreachable', message: `RDS: ${code}` })
  },
)

test('the meaning of an error at one call wins over its general meaning', async () => {
  const call = () => Promise.reject(Object.assign(new Error('no'), { name: 'InvalidArn', $fault: 'client' }))
  expect(await callAws('Step Functions', call, { InvalidArn: () => 'none' })).toBe('none')
  expect(await callAws('Step Functions', call, { InvalidArn: async () => 'none' })).toBe('none')
  const own = new Conflict('ours')
  const meaning = () => {
    throw own
  }
  await expect(callAws('Step Functions', call, { InvalidArn: meaning })).rejects.toBe(own)
})

test('a RotationError is thrown unchanged', async () => {
  const own = new Conflict('ours')
  await expect(callAws('Step Functions', () => Promise.reject(own), { Conflict: () => 'none' })).rejects.toBe(
    own,
  )
})
