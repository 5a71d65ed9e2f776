import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RemoveRegionsFromReplicationCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { runReplicasCommand } from '../../cli/commands/replicas.ts'
import type { FoundSecret } from '../../cli/credential.ts'
import { CommandError, EXIT } from '../../cli/exit.ts'
import type { CopyState } from '../../cli/replicas/copies.ts'
import { mayRenew } from '../../cli/replicas/repair.ts'
import { parseRequest, type ReplicasOptions } from '../../cli/replicas/request.ts'
import { runReplicaAction } from '../../cli/replicas/runReplicaAction.ts'
import type { ReplicaWaitResult } from '../../cli/replicas/waitForReplica.ts'
import { chooseStack as findStack } from '../../cli/stack.ts'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { type Tags, tagsIn } from '../../rotation/tags.ts'
import { type Account, functionArn, stackOf, startAccount, stubEnvironment } from './account.ts'
import { terminalContext } from './terminal.ts'

const home = 'eu-west-1'
const region = 'us-east-1'
const other = 'eu-central-1'
const DAY = 86_400_000
const today = new Date().toISOString().slice(0, 10)
const changes = [
  ...['ReplicateSecretToRegions', 'RemoveRegionsFromReplication', 'TagResource', 'UntagResource'],
  ...['CreateSecret', 'PutSecretValue', 'UpdateSecret', 'UpdateSecretVersionStage', 'DeleteSecret'],
  ...['StopReplicationToReplica', 'RotateSecret', 'PutResourcePolicy'],
]

let secretsManager: SecretsManagerServer
let account: Account
let secrets: SecretsManagerClient
let there: SecretsManagerClient
let past = 0
beforeAll(async () => {
  secretsManager = await startSecretsManager({ clock: () => Date.now() - past })
  account = await startAccount({ secretsManager: secretsManager.url })
  secrets = clientIn(home)
  there = clientIn(region)
  process.setMaxListeners(100)
})
afterAll(async () => {
  account?.stop()
  await secretsManager?.stop()
})
beforeEach(() => {
  stubEnvironment(account.url)
  for (const each of [region, other]) secretsManager.setRegionBehaviour(each, {})
  account.stacks.splice(0, 9, stackOf('local'))
  account.secrets.clear()
  account.refuse()
  account.sent.length = 0
})
afterEach(() => {
  past = 0
  vi.unstubAllEnvs()
  // After every test, whatever it did.
  expect(JSON.stringify(account.sent)).not.toContain('ForceOverwrite')
  expect(account.sent.map(({ action }) => action)).not.toContain('GetSecretValue')
})

const clientIn = (place: string) =>
  new SecretsManagerClient({
    endpoint: secretsManager.url,
    region: place,
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' },
  })

let secretsMade = 0
async function secret(tags: Tags = {}, ...copies: string[]): Promise<{ name: string; arn: string }> {
  const name = `shop/db-${secretsMade++}`
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  const { ARN = '' } = await secrets.send(
    new CreateSecretCommand({ Name: name, SecretString: 'Hidden-1', Tags }),
  )
  for (const copy of copies) await replicate(ARN, copy)
  return { name, arn: ARN }
}
const replicate = (SecretId: string, Region: string, KmsKeyId?: string) =>
  secrets.send(
    new ReplicateSecretToRegionsCommand({
      SecretId,
      AddReplicaRegions: [{ Region, ...(KmsKeyId && { KmsKeyId }) }],
    }),
  )
const put = (SecretId: string, SecretString = 'Hidden-2') =>
  secrets.send(new PutSecretValueCommand({ SecretId, SecretString }))
const inRegion = (arn: string, place = region) => arn.replace(`:${home}:`, `:${place}:`)
async function tagsOf(id: string, client: SecretsManagerClient = secrets): Promise<Tags> {
  return tagsIn((await client.send(new DescribeSecretCommand({ SecretId: id }))).Tags)
}
const listed = async (id: string) =>
  ((await secrets.send(new DescribeSecretCommand({ SecretId: id }))).ReplicationStatus ?? []).map(
    ({ Region, Status }) => `${Region} ${Status}`,
  )
const changed = () =>
  account.sent.filter(({ action }) => changes.includes(action)).map(({ action }) => action)

type Called = { typed?: string; json?: boolean; milliseconds?: number }

/** Runs the command in this process, with a wait of `milliseconds`, which is shorter than the command line accepts. */
async function keyturn(id: string | undefined, options: ReplicasOptions, called: Called = {}) {
  const { typed, json = false, milliseconds } = called
  const { printed, context } = terminalContext(typed, json)
  try {
    const request = milliseconds === undefined ? undefined : parseRequest(id, options)
    const code = request
      ? await runReplicaAction(context, await findStack(context), {
          ...request,
          waitMs: milliseconds as number,
        })
      : await runReplicasCommand(context, id, options)
    return { code, ...printed }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    return { code: error.code, ...printed, err: `${printed.err}${error.message}\n${error.remedy}` }
  }
}

/** Removes the replica, but answers with a server error, so that the SDK retries. */
function loseRemoval(SecretId: string): void {
  let lost = false
  account.refuse(action => {
    if (action !== 'RemoveRegionsFromReplication' || lost) return undefined
    lost = true
    const RemoveReplicaRegions = [region]
    secrets.send(new RemoveRegionsFromReplicationCommand({ SecretId, RemoveReplicaRegions })).catch(() => {})
    return { name: 'InternalServiceError', status: 500 }
  })
}

describe('--add', () => {
  test('tags the secret, makes a replica with the key, and waits until it has the version', async () => {
    const { name, arn } = await secret({ 'keyturn:every': '30d' })
    secretsManager.setRegionBehaviour(region, { inProgressMs: 700 })
    const { code, out, err } = await keyturn(name, { add: region, key: 'alias/there' })
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/: tagged keyturn:home=eu-west-1\n/)
    expect(out).toMatch(
      /: InProgress in us-east-1\n.*: InSync in us-east-1\n.*: us-east-1 has the current version\n$/,
    )
    expect(changed()).toEqual(['TagResource', 'ReplicateSecretToRegions'])
    expect(account.sent.find(({ action }) => action === 'ReplicateSecretToRegions')?.request).toEqual({
      SecretId: arn,
      AddReplicaRegions: [{ Region: region, KmsKeyId: 'alias/there' }],
    })
    expect(await tagsOf(inRegion(arn), there)).toEqual({
      'keyturn:every': '30d',
      'keyturn:home': home,
      'keyturn:managed': 'true',
    })
  })

  test.each<[string, Tags, object, Tags]>([
    ['an admin that nothing rotates', { 'keyturn:admin': 'true' }, {}, { 'keyturn:admin': 'true' }],
    ['a secret without any tag', {}, {}, {}],
    [
      'one that this stack rotates by its function',
      {},
      { RotationEnabled: true, RotationLambdaARN: functionArn },
      { 'keyturn:managed': 'true' },
    ],
    [
      'one that another function rotates',
      {},
      { RotationEnabled: true, RotationLambdaARN: `${functionArn}-2` },
      {},
    ],
    ['one that is not to be managed', { 'keyturn:managed': 'false' }, {}, { 'keyturn:managed': 'false' }],
    [
      'one with all tags',
      { 'keyturn:managed': 'true', 'keyturn:home': home },
      {},
      { 'keyturn:managed': 'true' },
    ],
  ])('sets no more tags than needed on %s', async (_, tags, more, expected) => {
    const { name, arn } = await secret(tags)
    account.secrets.set(name, more)
    expect(await keyturn(name, { add: region })).toMatchObject({ code: 0, err: '' })
    expect(await tagsOf(arn)).toEqual({ ...expected, 'keyturn:home': home })
  })

  test('of an existing replica sets the tags, and removes the tag of a Region that was given up', async () => {
    const { name, arn } = await secret({ [`keyturn:given-up:${region}`]: '2026-11-01 down' }, region)
    expect(await keyturn(name, { add: region })).toMatchObject({ code: 0, err: '' })
    expect(await tagsOf(arn)).toEqual({ 'keyturn:home': home })
    expect(changed()).toEqual(['TagResource', 'UntagResource'])
  })

  test('prints Secrets Manager’s reason for a failed replica, and that nothing is overwritten', async () => {
    const { name, arn } = await secret()
    secretsManager.setRegionBehaviour(region, { failsBecause: 'key disabled' })
    const failed = await keyturn(name, { add: region })
    expect(failed.code).toBe(1)
    expect(failed.err).toMatch(
      /Failed: The KMS key is disabled or not found in us-east-1\nRepair the cause .* --repair us-east-1\.\n$/,
    )
    await replicate(arn, other)
    secretsManager.setRegionBehaviour(other, { failsBecause: 'name exists' })
    expect((await keyturn((await secret()).name, { add: other })).err).toMatch(
      /already exists.*\nThe secret there may have been promoted, and is never overwritten\. See aws/,
    )
  })

  test('ends with 4 after the time limit, and the same command continues to wait', async () => {
    const { name } = await secret()
    secretsManager.setRegionBehaviour(region, { inProgressMs: 1e9 })
    const late = await keyturn(name, { add: region, wait: 0 })
    expect(late.code).toBe(4)
    expect(late.err).toMatch(
      /InProgress in us-east-1 after 0 s; the replication goes on\nkeyturn replicas secret:/,
    )
    secretsManager.setRegionBehaviour(region, {})
    expect(await keyturn(name, { add: region })).toMatchObject({ code: 0, err: '' })
    expect(changed()).toEqual(['TagResource', 'ReplicateSecretToRegions'])
  })

  test('InSync without the version is not enough, unless the Region cannot be asked', async () => {
    const { name } = await secret()
    secretsManager.setRegionBehaviour(region, { inProgressMs: 0, arrivalMs: 1e9 })
    expect(await keyturn(name, { add: region, wait: 1000 })).toMatchObject({ code: 4 })
    secretsManager.setRegionBehaviour(other, { endpoint: 'denied' })
    const unseen = await keyturn(name, { add: other })
    expect(unseen.code).toBe(5)
    expect(unseen.err).toMatch(
      /InSync in eu-central-1, but that Region cannot be asked for the version: .*refuses DescribeSecret/,
    )
  })

  test('without the right to replicate sets only the tag, and reports that', async () => {
    const { name, arn } = await secret()
    account.refuse(action =>
      action === 'ReplicateSecretToRegions'
        ? { name: 'AccessDeniedException', message: 'kms:Decrypt' }
        : undefined,
    )
    const { code, err } = await keyturn(name, { add: region })
    expect(code).toBe(3)
    expect(err).toMatch(/refuses ReplicateSecretToRegions: kms:Decrypt\nAsk for this permission/)
    expect([await tagsOf(arn), await listed(arn)]).toEqual([{ 'keyturn:home': home }, []])
  })
})

describe('what an action refuses changes nothing', () => {
  const promoted = async () => {
    secretsManager.setRegionBehaviour(region, { promotedStaysListed: true })
    const made = await secret({}, region)
    await there.send(new StopReplicationToReplicaCommand({ SecretId: inRegion(made.arn) }))
    return made
  }
  const unrelated = async () => {
    const made = await secret()
    await there.send(new CreateSecretCommand({ Name: made.name, SecretString: 'Hidden-3' }))
    return made
  }
  const failed = async () => {
    const made = await secret({}, region)
    secretsManager.setRegionBehaviour(region, { failsBecause: 'key denied' })
    await put(made.arn)
    return made
  }
  const denied = async () => {
    const made = await secret({}, region)
    secretsManager.setRegionBehaviour(region, { endpoint: 'denied' })
    return made
  }
  const giving = { giveUp: region, reason: 'down' }
  const [removing, repairing] = [{ remove: region }, { repair: region }]

  test.each<[string, () => Promise<{ name: string }>, ReplicasOptions, RegExp]>([
    ['add over a promoted secret', promoted, { add: region }, /a secret of its own has that name/],
    ['add over another secret', unrelated, { add: region }, /neither overwritten nor deleted/],
    ['remove a promoted secret', promoted, removing, /a secret of its own has that name.*\nSee aws /],
    ['repair over a promoted secret', promoted, repairing, /a secret of its own has that name/],
    ['add in the own Region', secret, { add: home }, /eu-west-1 is the Region of the stack/],
    [
      'add one that failed',
      failed,
      { add: region },
      /does not have the current version: Failed: .*\nkeyturn replicas .* --repair/,
    ],
    [
      'add one with another key',
      () => secret({}, region),
      { add: region, key: 'x' },
      /already, with a key of its own/,
    ],
    [
      'add away from home',
      () => secret({ 'keyturn:home': other }),
      { add: region },
      /keyturn:home names eu-central-1/,
    ],
    ['remove what is not there', secret, removing, /it has no replica in us-east-1\n/],
    ['repair what is not there', secret, repairing, /no replica.*\n.* --add us-east-1 makes one/],
    ['give up what is not there', secret, giving, /it has no replica in us-east-1/],
    [
      'remove from a Region that cannot be asked',
      denied,
      removing,
      /is not known whether it was promoted.*\n.*--give-up us-east-1 --reason/,
    ],
  ])('%s', async (_, make, options, says) => {
    const { name } = await make()
    const { code, err } = await keyturn(name, { ...options, confirm: Object.values(options)[0] as string })
    expect(code).toBe(2)
    expect(err).toMatch(says)
    expect(changed()).toEqual([])
  })

  const old = (stack: object) => ({ ...stackOf('old'), ...stack })
  test.each<[string, object, RegExp]>([
    [
      'of an older release',
      { region: home, outputs: { ...stackOf('local').outputs, Version: '0.0.9' } },
      /^the stack .*\nThe stack may refuse the new tags. Deploy it first, with the same parameters as before: /,
    ],
    [
      'of a newer release',
      { region: home, outputs: { ...stackOf('local').outputs, Version: '99.0.0' } },
      /\nInstall the command of Keyturn 99/,
    ],
  ])('if the stack is %s', async (_, stack, says) => {
    account.stacks.splice(0, 9, old(stack))
    const { name } = await secret({}, other)
    for (const options of [{ add: region }, { giveUp: other, reason: 'down', confirm: other }]) {
      const { code, err } = await keyturn(name, options)
      expect(code).toBe(2)
      expect(err).toMatch(says)
    }
    expect(changed()).toEqual([])
  })

  test('if the stack of another Region with the secret is older', async () => {
    const { name } = await secret({}, other)
    const { Version: _, ...outputs } = stackOf('old').outputs
    account.stacks.push({ name: 'keyturn-old', outputs, region: other })
    const { code, err } = await keyturn(name, { add: region })
    expect(code).toBe(2)
    expect(err).toMatch(
      /^the stack keyturn-old in eu-central-1 has Keyturn before 0.1.0: nothing was changed\n/,
    )
    expect(changed()).toEqual([])
  })

  test('a Region whose stacks may not be described is reported, and blocks nothing', async () => {
    const { name } = await secret()
    account.refuse((action, place) =>
      action === 'DescribeStacks' && place === region ? { name: 'AccessDenied', status: 403 } : undefined,
    )
    const { code, err } = await keyturn(name, { add: region })
    expect(code).toBe(0)
    expect(err).toMatch(
      /^It is not known whether us-east-1 has a stack of an older Keyturn \(CloudFormation refuses/,
    )
  })
})

describe('--remove', () => {
  test('asks, deletes the replica, and removes the tag of a Region that was given up', async () => {
    const { name, arn } = await secret({ [`keyturn:given-up:${region}`]: '2026-11-01 down' }, region, other)
    const { code, out, err } = await keyturn(name, { remove: region }, { typed: 'yes' })
    expect(code).toBe(0)
    expect(err).toMatch(/us-east-1 is deleted at once, and cannot be restored; not read there yet\nGo on\?/)
    expect(out).toMatch(/removed from us-east-1\n$/)
    expect([await tagsOf(arn), await listed(arn)]).toEqual([{}, [`${other} InSync`]])
  })

  test.each([
    [2, 'yes', 2],
    [2, other, 2],
    [2, region, 0],
    [30, 'yes', 2],
    [32, 'yes', 0],
  ])('read %d days ago, and %s typed, ends with %d', async (days, typed, expected) => {
    const { name, arn } = await secret({}, region)
    expect(await listed(arn)).toEqual([`${region} InSync`])
    past = days * DAY
    await there.send(new GetSecretValueCommand({ SecretId: inRegion(arn) }))
    past = 0
    const { code, err } = await keyturn(name, { remove: region }, { typed })
    expect(err).toMatch(/last read there 20\d\d-\d\d-\d\d\n/)
    expect(code).toBe(expected)
    expect(await listed(arn)).toEqual(expected ? [`${region} InSync`] : [])
    expect(changed()).toEqual(expected ? [] : ['RemoveRegionsFromReplication'])
  })

  test('without a terminal, and with --json, --confirm has to name the Region', async () => {
    const { name, arn } = await secret({}, region)
    expect(await keyturn(name, { remove: region })).toMatchObject({
      code: 2,
      err: expect.stringMatching(/no terminal/),
    })
    const json = { json: true }
    expect(await keyturn(name, { remove: region }, json)).toMatchObject({ code: 2, out: '' })
    expect(await keyturn(name, { remove: region, confirm: other })).toMatchObject({ code: 2 })
    expect(changed()).toEqual([])
    const { code, out } = await keyturn(name, { remove: region, confirm: region }, json)
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({
      ...{ action: 'remove', region, notes: [] },
      secrets: [{ secret: name, result: 'removed', says: 'removed from us-east-1', exitCode: 0 }],
    })
    expect(await listed(arn)).toEqual([])
  })

  test('a replica that is promoted during the question is left alone', async () => {
    secretsManager.setRegionBehaviour(region, { promotedStaysListed: true })
    const { name, arn } = await secret({}, region)
    let looks = 0
    account.refuse((action, place) => {
      if (action === 'DescribeSecret' && place === region && ++looks === 1)
        void there.send(new StopReplicationToReplicaCommand({ SecretId: inRegion(arn) }))
      return undefined
    })
    const { code, err } = await keyturn(name, { remove: region, confirm: region })
    expect([code, err]).toEqual([2, expect.stringMatching(/a secret of its own/)])
    expect(changed()).toEqual([])
  })
})

describe('--give-up', () => {
  test('after a yes, sets the tag with day and reason, and says what follows', async () => {
    const { name, arn } = await secret({}, region)
    const options = { giveUp: region, reason: 'Region down @ 09:00' }
    expect(await keyturn(name, options, { typed: 'no' })).toMatchObject({ code: 2 })
    expect(await tagsOf(arn)).toEqual({})
    const { code, out, err } = await keyturn(name, options, { typed: 'y' })
    expect(code).toBe(0)
    expect(err).toMatch(
      /go on without us-east-1: once the old user or password is closed, applications there .* refused/,
    )
    expect(out).toMatch(
      /is given up: rotations do not wait for it. To undo that: keyturn replicas .* --repair us-east-1;/,
    )
    expect(await tagsOf(arn)).toEqual({ [`keyturn:given-up:${region}`]: `${today} Region down @ 09:00` })
    const listing = await keyturn(name, {})
    expect(listing.out).toMatch(new RegExp(`given up ${today} Region down @ 09:00`))
  })

  test('a Region that is down can be given up', async () => {
    const { name, arn } = await secret({}, region)
    secretsManager.setRegionBehaviour(region, { endpoint: 'closed' })
    expect(await keyturn(name, { giveUp: region, reason: 'x', confirm: region })).toMatchObject({ code: 0 })
    expect(await tagsOf(arn)).toEqual({ [`keyturn:given-up:${region}`]: `${today} x` })
  })
})

test('--remove succeeds although the answer was lost, and removes the tag of a Region that was given up', async () => {
  const { name, arn } = await secret({ [`keyturn:given-up:${region}`]: '2026-11-01 down' }, region)
  loseRemoval(arn)
  expect(await keyturn(name, { remove: region }, { typed: 'yes' })).toMatchObject({ code: 0 })
  expect([await listed(arn), await tagsOf(arn)]).toEqual([[], {}])
})

describe('--repair', () => {
  test('replicates again with the same key, and removes the tag of a Region that was given up', async () => {
    const { name, arn } = await secret({ [`keyturn:given-up:${region}`]: '2026-11-01 down' })
    await replicate(arn, region, 'alias/there')
    secretsManager.setRegionBehaviour(region, { failsBecause: 'key disabled' })
    await put(arn)
    expect(await listed(arn)).toEqual([`${region} Failed`])
    secretsManager.setRegionBehaviour(region, {})
    expect(await keyturn(name, { repair: region })).toMatchObject({ code: 0, err: '' })
    expect(changed()).toEqual(['ReplicateSecretToRegions', 'UntagResource'])
    expect(account.sent.find(({ action }) => action === 'ReplicateSecretToRegions')?.request).toMatchObject({
      AddReplicaRegions: [{ Region: region, KmsKeyId: 'alias/there' }],
    })
    expect(await tagsOf(arn)).toEqual({})
  })

  test('of a replica that is in sync changes nothing', async () => {
    const { name } = await secret({}, region)
    expect(await keyturn(name, { repair: region })).toMatchObject({ code: 0, err: '' })
    expect(changed()).toEqual([])
  })

  /** A replica that stays InProgress with its first version. */
  async function wedged() {
    const made = await secret()
    await replicate(made.arn, region, 'alias/there')
    secretsManager.setRegionBehaviour(region, { wedgesWithinMs: 60_000 })
    await put(made.arn, 'Hidden-2')
    await put(made.arn, 'Hidden-3')
    expect(await listed(made.arn)).toEqual([`${region} InProgress`])
    return made
  }

  test('of a replica that hangs removes and adds it, after the name of the Region was typed', async () => {
    const { name, arn } = await wedged()
    const { code, err } = await keyturn(name, { repair: region }, { typed: region, milliseconds: 1000 })
    expect(err).toMatch(
      /deleted at once, and a new one is made; applications in us-east-1 find no secret until/,
    )
    expect(err).toMatch(
      /it cannot be checked from here whether its key works.* --region us-east-1 --key-id alias\/there\nType us-east-1/,
    )
    expect(code).toBe(0)
    expect(changed()).toEqual([
      'ReplicateSecretToRegions',
      'RemoveRegionsFromReplication',
      'ReplicateSecretToRegions',
    ])
    const keys = account.sent.flatMap(
      ({ request }) => (request.AddReplicaRegions as object[] | undefined) ?? [],
    )
    expect(keys).toEqual([
      { Region: region, KmsKeyId: 'alias/there' },
      { Region: region, KmsKeyId: 'alias/there' },
    ])
    expect(await listed(arn)).toEqual([`${region} InSync`])
  })

  test('of a replica that hangs adds it again although the answer to its removal was lost', async () => {
    const { name, arn } = await wedged()
    loseRemoval(arn)
    const { code } = await keyturn(name, { repair: region }, { typed: region, milliseconds: 1000 })
    expect(await listed(arn)).toEqual([`${region} InSync`])
    expect(code).toBe(0)
  })

  test.each([['yes'], [other], [undefined]])(
    'leaves a replica that hangs as it is if %s is typed',
    async typed => {
      const { name } = await wedged()
      const called = { milliseconds: 600, ...(typed !== undefined && { typed }) }
      const { code, err } = await keyturn(name, { repair: region }, called)
      expect(code).toBe(4)
      expect(err).toMatch(
        /Deleting the replica and making a new one may help: keyturn replicas .* --confirm us-east-1/,
      )
      expect(changed()).toEqual(['ReplicateSecretToRegions'])
    },
  )

  test('--confirm replaces the typing, and a replica that cannot be added again is reported', async () => {
    const { name, arn } = await wedged()
    let calls = 0
    account.refuse(action =>
      action === 'ReplicateSecretToRegions' && ++calls === 2
        ? { name: 'InvalidRequestException', message: 'not now' }
        : undefined,
    )
    const { code, err } = await keyturn(name, { repair: region, confirm: region }, { milliseconds: 600 })
    expect(code).toBe(1)
    expect(err).toMatch(
      /applications in us-east-1 find no secret now: .*not now\nkeyturn replicas .* --add us-east-1 --key alias\/there\n/,
    )
    expect(await listed(arn)).toEqual([])
  })

  test.each(['key disabled', 'key denied', 'not enabled', 'name exists'] as const)(
    'of a replica that fails again for %s removes nothing',
    async fails => {
      const { name, arn } = await secret({}, region)
      secretsManager.setRegionBehaviour(region, { failsBecause: fails })
      await put(arn)
      const { code, err } = await keyturn(name, { repair: region, confirm: region }, { milliseconds: 2000 })
      expect(code).toBe(1)
      expect(err).toMatch(/Failed: .* in us-east-1; applications there get an older version\n/)
      expect(changed()).toEqual(['ReplicateSecretToRegions'])
    },
  )

  test('a replica that hangs in a Region that cannot be asked is not removed', async () => {
    const { name } = await wedged()
    secretsManager.setRegionBehaviour(region, { wedgesWithinMs: 60_000, endpoint: 'denied' })
    expect(await keyturn(name, { repair: region, confirm: region }, { milliseconds: 600 })).toMatchObject({
      code: 4,
    })
    expect(changed()).toEqual(['ReplicateSecretToRegions'])
  })
})

const key = 'Failed: The KMS key is disabled or not found'
test.each<[boolean, ReplicaWaitResult['end'], string, CopyState['state']]>([
  [true, 'late', 'InProgress', 'behind'],
  [true, 'late', 'InProgress', 'empty'],
  [true, 'late', 'InSync', 'behind'],
  [true, 'failed', 'Failed', 'behind'],
  [true, 'failed', 'Failed: Something else', 'behind'],
  [false, 'failed', key, 'behind'],
  [false, 'failed', 'Failed: Something else', 'empty'],
  [false, 'failed', 'Failed: Secret with this name already exists in this region', 'behind'],
  [false, 'late', 'InProgress', 'unseen'],
  [false, 'late', 'InProgress', 'alone'],
  [false, 'stopped', 'InProgress', 'behind'],
  [false, 'unseen', 'InSync', 'unseen'],
])('%j: removing and adding may help where the wait ended %s, with %s, and the Region is %s', (...row) => {
  const [expected, end, status, state] = row
  const waitResult = { end, status, there: { state } }
  const told = { code: EXIT.failed, result: 'failed', says: '', found: {} as FoundSecret }
  expect(mayRenew({ ...told, waitResult })).toBe(expected)
  expect(mayRenew(told)).toBe(false)
})

describe('many at once', () => {
  test('by tag and prefix have a preview, one question, and a line for each, also for the impossible ones', async () => {
    const team = { team: `t${secretsMade}` }
    const options = { add: region, tag: Object.entries(team), prefix: 'shop/' }
    const all = [await secret(team), await secret(team), await secret({ ...team, 'keyturn:home': other })]
    await secret()
    expect((await keyturn(undefined, options)).code).toBe(2)
    const no = await keyturn(undefined, options, { typed: 'yes' })
    expect(no.code).toBe(2)
    expect(no.err).toMatch(
      new RegExp(
        `^--add us-east-1: 2 secrets\n  secret:${all[0]?.name}\n  secret:${all[1]?.name}\n  not ${all[2]?.name}: its tag keyturn:home`,
      ),
    )
    expect(changed()).toEqual([])
    const yes = await keyturn(undefined, options, { typed: region })
    expect(yes.code).toBe(2)
    expect(yes.out.split('\n').slice(0, -1)).toEqual(
      all
        .slice(0, 2)
        .map(({ name }) =>
          expect.stringMatching(
            new RegExp(`^\\d\\d:\\d\\d:\\d\\d ${name}: us-east-1 has the current version$`),
          ),
        ),
    )
    expect(yes.err).toMatch(new RegExp(`keyturn: ${all[2]?.name}: its tag keyturn:home names`))
    const removed = await keyturn(undefined, { remove: region, tag: options.tag, confirm: region })
    expect(removed).toMatchObject({ code: 0, err: expect.stringContaining('2 secrets') })
    expect(await keyturn(undefined, { remove: region, tag: options.tag, confirm: region })).toMatchObject({
      code: 2,
      err: expect.stringContaining('none of the 3 secrets has a replica in us-east-1'),
    })
  })

  test('no more than twenty changes a second', async () => {
    const team = { team: `t${secretsMade}` }
    for (let n = 0; n < 12; n++) await secret(team, region)
    const begun = performance.now()
    const { code, out } = await keyturn(undefined, {
      remove: region,
      tag: Object.entries(team),
      confirm: region,
    })
    expect(code).toBe(0)
    expect(out.match(/removed from us-east-1/g)).toHaveLength(12)
    expect(performance.now() - begun).toBeGreaterThan(11 * 50 - 10)
  })

  test('have one question for all that hang, and leave others as they are', async () => {
    const team = { team: `t${secretsMade}` }
    const well = await secret(team, region)
    const hanging = [await secret(team, region), await secret(team, region)]
    secretsManager.setRegionBehaviour(region, { wedgesWithinMs: 60_000 })
    for (const { arn } of hanging) for (const value of ['Hidden-2', 'Hidden-3']) await put(arn, value)
    const options = { repair: region, tag: Object.entries(team) }
    const { code, err } = await keyturn(undefined, options, { typed: region, milliseconds: 600 })
    expect(code).toBe(0)
    expect(err.match(/^--repair us-east-1: \d secrets$/gm)).toEqual([
      '--repair us-east-1: 3 secrets',
      '--repair us-east-1: 2 secrets',
    ])
    const removed = account.sent.filter(({ action }) => action === 'RemoveRegionsFromReplication')
    expect(removed.map(({ request }) => request.SecretId).sort()).toEqual(
      hanging.map(({ arn }) => arn).sort(),
    )
    for (const { arn } of [well, ...hanging]) expect(await listed(arn)).toEqual([`${region} InSync`])
  })

  test('are one document, with the exit code of the worst', async () => {
    const team = { team: `t${secretsMade}` }
    const well = await secret(team, region)
    const failing = await secret(team, region)
    account.refuse()
    await secrets.send(
      new TagResourceCommand({ SecretId: well.arn, Tags: [{ Key: 'keyturn:home', Value: home }] }),
    )
    secretsManager.setRegionBehaviour(region, { failsBecause: 'key denied' })
    await put(failing.arn)
    const options = { repair: region, tag: Object.entries(team), confirm: region }
    const { code, out, err } = await keyturn(undefined, options, { json: true, milliseconds: 2000 })
    expect(code).toBe(1)
    expect(err).toMatch(/^keyturn: .*: Failed: No permissions available on the KMS key/)
    expect(JSON.parse(out).secrets).toMatchObject([
      { secret: well.name, result: 'follows', exitCode: 0 },
      { secret: failing.name, result: 'failed', exitCode: 1 },
    ])
  })
})
