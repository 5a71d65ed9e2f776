import {
  CreateSecretCommand,
  DescribeSecretCommand,
  ReplicateSecretToRegionsCommand,
  RotateSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { Inventory } from '../../fleet/inventory.ts'
import type { RunPlan } from '../../functions/findDue.ts'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import { loadHandler } from '../../local/embedded/embedded.ts'
import type { Task } from '../../local/embedded/stateMachine.ts'
import { scheduleIn } from '../../rotation/promotion/serviceSchedule.ts'
import { type Tags, tagsIn } from '../../rotation/tags.ts'
import { setLambdaEnvironment } from '../support/lambdaEnvironment.ts'
import { captureOutput } from '../support/observe.ts'

const RotationLambdaARN = 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-rotateSecret'
const rules = { ScheduleExpression: 'cron(0 */4 ? * MON-FRI *)', Duration: '2h' }
const home = { 'keyturn:managed': 'true', 'keyturn:home': 'eu-west-1' }

let stepFunctions: StepFunctionsServer
let server: SecretsManagerServer
let secrets: SecretsManagerClient
let findDue: Task
let written: string[]
beforeAll(async () => {
  ;[stepFunctions, server] = await Promise.all([startStepFunctions(), startSecretsManager()])
  setLambdaEnvironment({
    AWS_ENDPOINT_URL_SFN: stepFunctions.url,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: server.url,
    KEYTURN_RUNS: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate-due',
    KEYTURN_ROTATION_FUNCTION: RotationLambdaARN,
    KEYTURN_MAX_ROTATIONS: '17',
    KEYTURN_MAX_ROTATIONS_PER_HOST: '5',
    KEYTURN_DUE_SCHEDULE: 'rate(15 minutes)',
    KEYTURN_PEER_REGIONS: 'us-east-1',
    KEYTURN_TAG_SCHEDULES: 'true',
  })
  secrets = new SecretsManagerClient()
  findDue = await loadHandler('findDue')
})
afterAll(async () => {
  await Promise.all([stepFunctions?.stop(), server?.stop()])
})
beforeEach(() => {
  written = captureOutput()
  server.refuse()
  // Parameters are not listed here.
  vi.spyOn(Inventory.prototype, 'listScheduled').mockImplementation(function (this: Inventory) {
    return this.listAtHome()
  })
})
afterEach(() => vi.restoreAllMocks())

/** Makes a secret with a replica that Secrets Manager rotates by this stack on a schedule. */
async function make(SecretId: string, tags: Tags = home): Promise<void> {
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  await secrets.send(new CreateSecretCommand({ Name: SecretId, SecretString: '{}', Tags }))
  const RotationRules = rules
  const rotate = { SecretId, RotationLambdaARN, RotationRules, RotateImmediately: false }
  await secrets.send(new RotateSecretCommand(rotate))
  const AddReplicaRegions = [{ Region: 'us-east-1' }]
  await secrets.send(new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions }))
}
const tagsOf = async (SecretId: string, client = secrets) =>
  tagsIn((await client.send(new DescribeSecretCommand({ SecretId }))).Tags)
const tagged = () => server.calls.filter(({ action }) => action === 'TagResource').map(({ secret }) => secret)
const run = async () => (await findDue({ run: 'run-1', overlaps: true })) as RunPlan

test('a run keeps the schedule in the tag, so that the replica has it too, and does so once', async () => {
  await make('kept/shop')
  await run()
  expect(scheduleIn(await tagsOf('kept/shop'))).toEqual(rules)
  const there = new SecretsManagerClient({ region: 'us-east-1' })
  await vi.waitFor(async () => expect(scheduleIn(await tagsOf('kept/shop', there))).toEqual(rules))
  server.calls.length = 0
  await run()
  expect(tagged()).toEqual([])
})

test('a schedule that was changed is written to the tag again', async () => {
  await make('changed/shop')
  await run()
  const RotationRules = { AutomaticallyAfterDays: 7 }
  const command = { SecretId: 'changed/shop', RotationRules, RotateImmediately: false }
  await secrets.send(new RotateSecretCommand(command))
  await run()
  expect(scheduleIn(await tagsOf('changed/shop'))).toEqual({ AutomaticallyAfterDays: 7 })
})

test('a secret that may not be tagged is noted in the log, and stops neither others nor the run', async () => {
  await make('refused/shop')
  await make('refused/other')
  server.refuse(({ action, secret }) =>
    action === 'TagResource' && `${secret}`.includes('refused/shop')
      ? { name: 'AccessDeniedException', status: 400 }
      : undefined,
  )
  const found = await run()
  expect(found.late.count).toBe(0)
  expect(scheduleIn(await tagsOf('refused/shop'))).toBeUndefined()
  expect(scheduleIn(await tagsOf('refused/other'))).toEqual(rules)
  const [warning = ''] = written.filter(line => line.includes('its schedule was not written into its tag'))
  expect(JSON.parse(warning)).toMatchObject({ id: 'refused/shop', error: 'NotPermitted' })
})
