import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStackEventsCommand,
  paginateListStackResources,
} from '@aws-sdk/client-cloudformation'
import {
  InvokeCommand,
  LambdaClient,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionUpdatedV2,
} from '@aws-sdk/client-lambda'
import {
  DeleteSecretCommand,
  DescribeSecretCommand,
  ReplicateSecretToRegionsCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { type DescribeExecutionOutput, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Application, type StoredValue } from '../../local/client/application.ts'
import type { Admin } from '../../local/client/users.ts'
import { type Deployed, findLeaks, startDeployed } from '../../local/stack/deployed.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { arnInRegion } from '../../rotation/arn.ts'
import { commandEnvironment, runCommand } from '../cli/account.ts'
import { copyProject } from '../stack/package.ts'
import { auditedRegions } from './auditedRegions.ts'

// Only MiniStack is known to have Regions and to enforce roles.
const possible = !process.env.AWS_ENDPOINT_URL && Boolean(await pythonBin())

const [home, peer] = ['us-east-1', 'eu-west-1']
/** A Region that neither deployment names. */
const unnamed = 'ap-southeast-2'
/** What an account has once for all Regions, whichever Region made it. */
const global = ['AWS::IAM::Role', 'AWS::IAM::ManagedPolicy', 'AWS::S3::Bucket', 'AWS::CloudWatch::Dashboard']

describe.skipIf(!possible)('deployed in two Regions of one account', () => {
  let folder: string
  /** Where the secrets are made, and where their replicas are. */
  let here: Deployed
  let there: Deployed
  /** An admin whose secret is in both Regions. */
  let admin: Admin
  beforeAll(async () => {
    folder = await copyProject()
    here = (await startDeployed({ folder, region: home, params: { peerRegions: peer } })) as Deployed
    // The server has two names, of which each Region's stack uses another.
    await writeFile(join(folder, 'hosts.json'), JSON.stringify({ [here.postgres.host]: 'localhost' }))
    there = await here.deployInRegion(peer, { peerRegions: home, hostMap: 'hosts.json' })
    admin = await here.users.makeAdmin('regional')
    await replicate(admin.arn)
  }, 400_000)
  afterAll(async () => {
    await here?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const secretsIn = ({ client }: Deployed) => new SecretsManagerClient(client)
  const applicationIn = (stack: Deployed, id: string) =>
    new Application(stack.secrets, id, stack.postgres.caFile)
  const outputOf = ({ output }: DescribeExecutionOutput) => JSON.parse(output ?? '')

  async function replicate(SecretId: string, Region: string = peer): Promise<void> {
    const command = new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions: [{ Region }] })
    await secretsIn(here).send(command)
  }

  /** Makes a secret with alternating users, and its replica. */
  async function enrol(user: string, tags: Record<string, string> = {}) {
    const id = await here.users.enrol(user, { admin, tags: { 'keyturn:grace': '1s', ...tags } })
    await replicate(id)
    return { id, replica: arnInRegion(id, peer) }
  }

  async function rotateByService(stack: Deployed, SecretId: string, ClientRequestToken: string) {
    const RotationLambdaARN = await stack.readOutput('RotateSecretFunctionArn')
    const RotationRules = { AutomaticallyAfterDays: 10 }
    await secretsIn(stack).send(
      new RotateSecretCommand({ SecretId, ClientRequestToken, RotationLambdaARN, RotationRules }),
    )
  }

  /** @returns the labels of each version that a Region has */
  const versionsIn = async (stack: Deployed, SecretId: string) =>
    (await secretsIn(stack).send(new DescribeSecretCommand({ SecretId }))).VersionIdsToStages

  /** Makes the replica a secret of its own. */
  const promote = (SecretId: string) =>
    secretsIn(there).send(new StopReplicationToReplicaCommand({ SecretId }))

  /** Calls functions of a stack directly. @returns what they return or throw */
  async function call({ client }: Deployed, name: string, event: object) {
    const command = { FunctionName: `keyturn-local-${name}`, Payload: JSON.stringify(event) }
    const { Payload = [] } = await new LambdaClient(client).send(new InvokeCommand(command))
    return JSON.parse(Buffer.from(Payload).toString())
  }

  /** @returns why findDue leaves a secret of this Region out, or undefined if it does not */
  async function leftOut(stack: Deployed, arn: string): Promise<string[]> {
    const { skipped } = await call(stack, 'findDue', { run: 'by-hand' })
    return skipped.names.filter((text: string) => text.includes(nameIn(arn)))
  }

  const command = ({ url, env }: Deployed, ...words: string[]) =>
    runCommand(words, commandEnvironment(url, env))

  /** @returns the types of all events that an execution announced */
  async function announced(stack: Deployed, { executionArn = '' }: DescribeExecutionOutput) {
    await stack.waitForAnnouncements(executionArn)
    await stack.collectWrittenTexts()
    return (await stack.waitForAnnouncements(executionArn)).map(event => event['detail-type']).sort()
  }

  const textOf = async (stack: Deployed) => [...(await stack.collectWrittenTexts()).values()].join()

  test('the stacks share no name that is unique in an account', async () => {
    const namesIn = async ({ client }: Deployed) => {
      const paged = { client: new CloudFormationClient(client) }
      const pages = await Array.fromAsync(paginateListStackResources(paged, { StackName: 'keyturn-local' }))
      return pages
        .flatMap(({ StackResourceSummaries = [] }) => StackResourceSummaries)
        .filter(({ ResourceType = '' }) => global.includes(ResourceType))
        .map(({ PhysicalResourceId }) => PhysicalResourceId)
    }
    const [ours, theirs] = [new Set(await namesIn(here)), new Set(await namesIn(there))]
    expect(ours.size).toBeGreaterThan(15)
    expect(theirs.size).toBe(ours.size)
    expect(ours.intersection(theirs)).toEqual(new Set())
  })

  test('a dashboard whose name the other Region has taken cannot be made', async () => {
    const client = new CloudFormationClient(there.client)
    const StackName = `second-dashboard-${randomUUID()}`
    const Properties = { DashboardName: `keyturn-local-${home}`, DashboardBody: '{"widgets":[]}' }
    const Resources = { Dashboard: { Type: 'AWS::CloudWatch::Dashboard', Properties } }
    await client.send(new CreateStackCommand({ StackName, TemplateBody: JSON.stringify({ Resources }) }))
    const told = async () => {
      const { StackEvents = [] } = await client.send(new DescribeStackEventsCommand({ StackName }))
      return StackEvents.map(({ ResourceStatusReason }) => ResourceStatusReason)
    }
    await expect.poll(told, { timeout: 20_000 }).toContain(`keyturn-local-${home} already exists`)
  })

  test('each stack rotates the credentials of its own Region, and announces that there', async () => {
    const rotateOwn = async (stack: Deployed, user: string) => {
      const rotated = await stack.rotate(await stack.users.enrol(user))
      expect([rotated.status, outputOf(rotated).replication]).toEqual(['SUCCEEDED', undefined])
      expect(await announced(stack, rotated)).toEqual(['Credential Rotated'])
      return rotated.name
    }
    const [ours, theirs] = await Promise.all([rotateOwn(here, 'domestic'), rotateOwn(there, 'foreign')])
    const [told, toldThere] = await Promise.all([textOf(here), textOf(there)])
    expect([told.includes(`${theirs}`), toldThere.includes(`${ours}`)]).toEqual([false, false])
  })

  test('a rotation ends when the replica has the new version, and then the old user is closed', async () => {
    const { id, replica } = await enrol('shop', { 'keyturn:home': home })
    const elsewhere = applicationIn(there, replica)
    const before = (await elsewhere.read()) as StoredValue
    const rotated = await here.rotate(id)
    expect(rotated.status).toBe('SUCCEEDED')
    // The replica's Region was asked. If it could not be, the outcome would be `unproven`.
    expect(outputOf(rotated)).toMatchObject({
      pendingReplication: { outcome: 'replicated', regions: [peer] },
      replication: { outcome: 'replicated', regions: [peer], empty: [], unproven: [] },
      retirement: { outcome: 'retired' },
    })
    expect(await announced(here, rotated)).toEqual(['Credential Replicated', 'Credential Rotated'])
    const { VersionIdsToStages, PrimaryRegion } = await secretsIn(there).send(
      new DescribeSecretCommand({ SecretId: replica }),
    )
    expect([PrimaryRegion, VersionIdsToStages?.[`${rotated.name}`]]).toEqual([
      home,
      expect.arrayContaining(['AWSCURRENT']),
    ])
    const after = (await elsewhere.read()) as StoredValue
    expect(after.username).toBe('shop_clone')
    expect(await Promise.all([before, after].map(value => elsewhere.canLogIn(value)))).toEqual([false, true])
  })

  test('a rotation by Secrets Manager reaches the replica too', async () => {
    const { id, replica } = await enrol('managed')
    const token = randomUUID()
    await rotateByService(here, id, token)
    await expect
      .poll(async () => (await versionsIn(there, replica))?.[token], { timeout: 60_000 })
      .toContain('AWSCURRENT')
    const ended = await here.waitForEnd(
      `${here.stateMachineArn.replace(':stateMachine:', ':execution:')}:${token}`,
    )
    expect(outputOf(ended)).toMatchObject({ replication: { outcome: 'replicated', regions: [peer] } })
  })

  test("a secret that names its admin in the other Region is rotated by the admin's replica", async () => {
    const id = await there.users.enrol('crossing', { admin, tags: { 'keyturn:grace': '1s' } })
    const application = applicationIn(there, id)
    const rotated = await there.rotate(id)
    expect(rotated.status).toBe('SUCCEEDED')
    const after = (await application.read()) as StoredValue & { masterarn: string }
    expect(after).toMatchObject({ username: 'crossing_clone', masterarn: admin.arn })
    expect(await application.canLogIn(after)).toBe(true)
  })

  describe('a Region that the deployment does not name', () => {
    test('is not asked, and the status in the primary’s Region counts', async () => {
      const { id } = await enrol('further')
      await replicate(id, unnamed)
      const rotated = await here.rotate(id)
      expect(outputOf(rotated)).toMatchObject({
        replication: { outcome: 'replicated', regions: [peer], unproven: [unnamed] },
      })
    })

    test('cannot be asked, whatever the function tries', async () => {
      const { id } = await enrol('curious')
      await replicate(id, unnamed)
      const rotated = await here.rotate(id)
      await withPeers([peer, unnamed], async () => {
        const event = { execution: rotated.name, rotation: outputOf(rotated) }
        expect(await call(here, 'awaitReplicas', event)).toMatchObject({
          errorType: 'ReplicasBehind',
          errorMessage: expect.stringMatching(
            `^awaitReplicas: ${unnamed} cannot be asked: .* may not call secretsmanager:DescribeSecret`,
          ),
        })
      })
    })
  })

  /** Runs `act` while awaitReplicas has these Regions in its environment. Its role does not change. */
  async function withPeers(regions: string[], act: () => Promise<void>): Promise<void> {
    const client = new LambdaClient(here.client)
    const FunctionName = 'keyturn-local-awaitReplicas'
    const believe = async (peers: string[]) => {
      const Variables = { KEYTURN_PEER_REGIONS: peers.join(), POWERTOOLS_SERVICE_NAME: 'keyturn-local' }
      await client.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }))
      await waitUntilFunctionUpdatedV2({ client, maxWaitTime: 20 }, { FunctionName })
    }
    await believe(regions)
    try {
      await act()
    } finally {
      await believe([peer])
    }
  }

  describe('if a promoted secret is in the place of a replica', () => {
    let [id, replica] = ['', '']
    let rotated: DescribeExecutionOutput
    beforeAll(async () => {
      const enrolled = await enrol('namesake')
      id = enrolled.id
      replica = enrolled.replica
      rotated = await here.rotate(id)
      await promote(replica)
      // It has the ARN that a replica would have, so its Region is asked about it.
      await replicate(id)
    })

    const look = () => call(here, 'awaitReplicas', { execution: rotated.name, rotation: outputOf(rotated) })
    const seen = { errorType: 'PromotedElsewhere' }
    const denied = {
      errorType: 'ReplicasBehind',
      errorMessage: expect.stringMatching(
        `^awaitReplicas: ${peer} cannot be asked: .* may not call secretsmanager:DescribeSecret`,
      ),
    }
    const untag = (key: string) =>
      secretsIn(there).send(new UntagResourceCommand({ SecretId: replica, TagKeys: [key] }))

    test('no rotation begins', async () => {
      const before = await applicationIn(here, id).read()
      const refused = await here.rotate(id)
      expect(refused).toMatchObject({ status: 'FAILED', error: 'PromotedElsewhere' })
      expect(refused.cause).toMatch(`the secret with this ARN stands alone in ${peer}`)
      expect(await applicationIn(here, id).read()).toEqual(before)
    })

    test('awaitReplicas may read the promoted secret’s labels only if it is tagged as managed or as an admin', async () => {
      expect(await look()).toMatchObject(seen)
      await untag('keyturn:managed')
      expect(await look()).toMatchObject(denied)
      const Tags = [{ Key: 'keyturn:admin', Value: 'true' }]
      await secretsIn(there).send(new TagResourceCommand({ SecretId: replica, Tags }))
      expect(await look()).toMatchObject(seen)
      await untag('keyturn:admin')
      expect(await look()).toMatchObject(denied)
    })

    test('a rotation goes on after the promoted secret was deleted', async () => {
      const gone = { SecretId: replica, ForceDeleteWithoutRecovery: true }
      await secretsIn(there).send(new DeleteSecretCommand(gone))
      const rotated = await here.rotate(id)
      expect([rotated.status, outputOf(rotated).replication]).toEqual([
        'SUCCEEDED',
        expect.objectContaining({ regions: [], empty: [peer] }),
      ])
    })
  })

  describe("in the replica's Region", () => {
    test('a replica is refused with the Region of its primary, and is never due', async () => {
      const { id, replica } = await enrol('copied', { 'keyturn:home': home, 'keyturn:every': '1m' })
      const refused = await there.rotate(replica)
      expect(refused).toMatchObject({ status: 'FAILED', error: 'InvalidCredential' })
      expect(refused.cause).toMatch(`is a replica of a secret in ${home}: rotate that one, there`)
      expect(await leftOut(there, replica)).toEqual([])
      expect(await applicationIn(there, replica).read()).toEqual(await applicationIn(here, id).read())
    })

    test('a promoted secret is not rotated there, and its primary rotates once that Region is given up', async () => {
      const { id, replica } = await enrol('parted', { 'keyturn:home': home, 'keyturn:every': '30d' })
      await promote(replica)
      const before = await applicationIn(there, replica).read()
      const refused = await there.rotate(replica)
      expect(refused).toMatchObject({ status: 'FAILED', error: 'NotAtHome' })
      expect(refused.cause).toMatch(`the tag keyturn:home says ${home}, and this is ${peer}`)
      const [alarm] = await there.waitForAlarms(`${refused.executionArn}`)
      expect(alarm?.Subject).toMatch(/NotAtHome: rotation of secret local-\w+\/parted failed$/)
      expect(await leftOut(there, replica)).toEqual([expect.stringContaining(`it rotates in ${home}`)])
      expect(await leftOut(here, id)).toEqual([])
      await rotateByService(there, replica, randomUUID())
      await expect
        .poll(async () => (await there.functionLogLines('rotateSecret')).join(), { timeout: 30_000 })
        .toContain('NotAtHome')
      expect(await here.rotate(id)).toMatchObject({ status: 'FAILED', error: 'PromotedElsewhere' })
      const giveUp = ['--give-up', peer, '--reason', 'left alone', '--confirm', peer]
      expect(await command(here, 'replicas', id, ...giveUp)).toMatchObject({ code: 0 })
      expect(await here.rotate(id)).toMatchObject({ status: 'SUCCEEDED' })
      expect(await applicationIn(there, replica).read()).toEqual(before)
    })
  })

  test('keyturn replicas adds a replica, says whether it is in sync, and removes it', async () => {
    const id = await here.users.enrol('listed', { admin, tags: { 'keyturn:grace': '1s' } })
    const replica = arnInRegion(id, peer)
    const keyturn = (...words: string[]) => command(here, ...words)
    const added = await keyturn('replicas', id, '--add', peer)
    expect(added).toMatchObject({ code: 0, stderr: '' })
    expect((await secretsIn(here).send(new DescribeSecretCommand({ SecretId: id }))).Tags).toContainEqual({
      Key: 'keyturn:home',
      Value: home,
    })
    await here.rotate(id)
    const listed = await keyturn('replicas', id, '--json')
    expect(listed).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(listed.stdout)).toMatchObject({
      replicas: [{ secret: nameIn(id), region: peer, state: 'follows' }],
    })
    expect(await applicationIn(there, replica).read()).toEqual(await applicationIn(here, id).read())

    expect(await keyturn('replicas', id, '--remove', peer, '--confirm', peer)).toMatchObject({ code: 0 })
    await expect(
      secretsIn(there).send(new DescribeSecretCommand({ SecretId: replica })),
    ).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    })
    expect(await keyturn('replicas', id)).toMatchObject({ code: 0, stdout: 'The secret has no replicas.\n' })
    const rotated = await here.rotate(id)
    expect([rotated.status, outputOf(rotated).replication]).toEqual([
      'SUCCEEDED',
      expect.objectContaining({ regions: [] }),
    ])
  })

  describe('where a Region is given up', () => {
    /** Secrets of the Region that is given up: an admin's, one that Secrets Manager rotates, and one that is handed over. */
    let [master, lost, planned] = ['', '', '']
    const replicaOf = (arn: string) => arnInRegion(arn, peer)
    beforeAll(async () => {
      const admin = await here.users.makeAdmin('leaving', { 'keyturn:grace': '1s' })
      const enrol = (user: string) => here.users.enrol(user, { admin, tags: { 'keyturn:grace': '1s' } })
      master = admin.arn
      ;[lost, planned] = await Promise.all([enrol('leaves'), enrol('follows')])
      await secretsIn(here).send(
        new RotateSecretCommand({
          SecretId: lost,
          RotationLambdaARN: await here.readOutput('RotateSecretFunctionArn'),
          RotationRules: { ScheduleExpression: 'rate(10 days)', Duration: '3h' },
          RotateImmediately: false,
        }),
      )
      for (const id of [master, lost, planned])
        expect(await command(here, 'replicas', id, '--add', peer)).toMatchObject({ code: 0, stderr: '' })
      await untilTested(here, lost)
    })

    /** Waits until Secrets Manager has tried the function of a schedule that was just set. */
    const untilTested = (stack: Deployed, id: string) =>
      vi.waitFor(
        async () =>
          expect(Object.values((await versionsIn(stack, id)) ?? {}).flat()).not.toContain('AWSPENDING'),
        { timeout: 30_000, interval: 100 },
      )

    /** Runs the state machine to its end. */
    async function promoteByHand(input: object): Promise<DescribeExecutionOutput> {
      const stateMachineArn = await there.readOutput('PromoteStateMachineArn')
      const start = new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) })
      return there.waitForEnd((await new SFNClient(there.client).send(start)).executionArn)
    }

    /** @returns DescribeSecret's answer in a Region, without versions */
    async function described(stack: Deployed, SecretId: string) {
      const { Tags = [], ...secret } = await secretsIn(stack).send(new DescribeSecretCommand({ SecretId }))
      return { ...secret, tags: Object.fromEntries(Tags.map(({ Key = '', Value }) => [Key, Value])) }
    }

    const promoted = { [`keyturn:given-up:${home}`]: expect.stringMatching(/ promoted in its place$/) }

    test('a rehearsal finds what is ready, and changes nothing', async () => {
      const ids = [master, lost, planned].map(replicaOf)
      const ended = await promoteByHand({ dryRun: true, ids })
      expect(outputOf(ended)).toMatchObject({
        ...{ rehearsal: true, count: 3, unknown: 0, promoted: 3 },
        failed: { count: 0, names: [] },
        warned: { count: 0, names: [] },
      })
      expect((await described(there, replicaOf(lost))).PrimaryRegion).toBe(home)
      const shown = await command(there, 'replicas', '--ready')
      expect(shown).toMatchObject({ code: 0, stderr: '' })
      for (const id of [master, lost, planned])
        expect(shown.stdout).toMatch(new RegExp(`ready +secret:${nameIn(id)}`))
      expect(shown.stdout).toContain('3 ready, 0 not ready')
    })

    test('a Region that answers is given up only with --lost', async () => {
      const refused = await command(there, 'promote', nameIn(lost), '--from', home, '--confirm', home)
      expect(refused.code).toBe(2)
      expect(refused.stderr).toMatch(`Secrets Manager in ${home} still answers: nothing was promoted`)
      expect((await described(there, replicaOf(lost))).PrimaryRegion).toBe(home)
      const begun = await call(there, 'switchRegion', {})
      expect(begun).toMatchObject({
        errorType: 'PromotionRuns',
        errorMessage: expect.stringMatching(`execution switch-${home}-\\d+ was started$`),
      })
      const [name] = begun.errorMessage.match(/switch-\S+/)
      const execution = (await there.readOutput('PromoteStateMachineArn')).replace(
        'stateMachine',
        'execution',
      )
      expect((await there.waitForEnd(`${execution}:${name}`)).status).toBe('FAILED')
    })

    const promoteLost = () =>
      command(there, 'promote', master, lost, '--from', home, '--lost', '--confirm', home)

    test('with --lost a replica and its admin’s become secrets of their own, with the host of this Region', async () => {
      const done = await promoteLost()
      expect(done).toMatchObject({ code: 0, stderr: expect.stringMatching(/are lost/) })
      expect(done.stdout).toMatch('2 promoted, 0 failed')
      const found = await described(there, replicaOf(lost))
      expect(found).toMatchObject({
        tags: { 'keyturn:home': peer, ...promoted },
        RotationEnabled: true,
        RotationLambdaARN: await there.readOutput('RotateSecretFunctionArn'),
        RotationRules: { ScheduleExpression: 'rate(10 days)', Duration: '3h' },
      })
      expect(found.PrimaryRegion).toBeUndefined()
      const [before, after] = [await applicationIn(here, lost).read(), await read(lost)]
      expect(after).toEqual({ ...(before as StoredValue), host: 'localhost' })
    })

    const read = async (id: string) => (await applicationIn(there, replicaOf(id)).read()) as StoredValue

    test('the Region that was given up does not rotate the promoted secret any more', async () => {
      expect(await described(here, lost)).toMatchObject({
        tags: { 'keyturn:home': peer },
        RotationEnabled: false,
      })
      expect(await here.rotate(lost)).toMatchObject({ status: 'FAILED', error: 'NotAtHome' })
    })

    test('the other Region rotates the promoted secret', async () => {
      await untilTested(there, replicaOf(lost))
      const rotated = await there.rotate(replicaOf(lost))
      expect(rotated.status).toBe('SUCCEEDED')
      const after = await read(lost)
      expect(after).toMatchObject({ username: 'leaves_clone', host: 'localhost' })
      expect(await applicationIn(there, replicaOf(lost)).canLogIn(after)).toBe(true)
    })

    test('the same promotion again changes nothing', async () => {
      const versions = await versionsIn(there, replicaOf(lost))
      const again = await promoteLost()
      expect(again).toMatchObject({ code: 0, stderr: '' })
      expect(again.stdout).toMatch(new RegExp(`promoted +secret:${nameIn(lost)}, earlier`))
      const ids = [master, lost].map(replicaOf)
      const ended = await promoteByHand({ from: home, lost: true, ids })
      expect(outputOf(ended)).toMatchObject({ count: 0, promoted: 0, before: 2, failed: { count: 0 } })
      expect(await versionsIn(there, replicaOf(lost))).toEqual(versions)
    })

    test('a secret that is tagged neither as managed nor as an admin cannot be promoted', async () => {
      const id = await here.secrets.put(`local-${randomUUID()}`, '{}', {})
      await replicate(id)
      const item = { arn: replicaOf(id), name: nameIn(id), from: home, refused: [], rehearsal: false }
      const denied = {
        errorType: 'NotPermitted',
        errorMessage: expect.stringMatching(/may not call secretsmanager:DescribeSecret/),
      }
      expect(await call(there, 'findVersion', item)).toMatchObject(denied)
      expect(await call(there, 'promoteReplica', { item, version: randomUUID() })).toMatchObject(denied)
      expect(await call(there, 'handOver', { item, after: false })).toMatchObject(denied)
      expect(await call(there, 'handOver', { item, after: true })).toMatchObject(denied)
      expect((await described(there, replicaOf(id))).PrimaryRegion).toBe(home)
    })

    test('with --planned the old Region first hands its secrets over', async () => {
      const done = await command(there, 'promote', planned, '--from', home, '--planned', '--confirm', home)
      expect(done).toMatchObject({ code: 0, stderr: expect.stringMatching(/nothing is lost/) })
      expect(done.stdout).toMatch('1 promoted, 0 failed')
      expect(await described(here, planned)).toMatchObject({ tags: { 'keyturn:home': peer } })
      expect(await described(there, replicaOf(planned))).toMatchObject({
        tags: { 'keyturn:home': peer, ...promoted },
      })
      const rotated = await there.rotate(replicaOf(planned))
      expect(rotated.status).toBe('SUCCEEDED')
      expect(await read(planned)).toMatchObject({ username: 'follows_clone', host: 'localhost' })
    })
  })

  auditedRegions(() => ({ here, there }))

  // The last test reads all that the others left behind.
  test('no password is in a log, an event or a history of either Region', async () => {
    const [ours, theirs] = [await here.collectPasswords(), await there.collectPasswords()]
    expect([ours.length > 15, theirs.length > 10]).toEqual([true, true])
    for (const stack of [here, there]) {
      const found = await textOf(stack)
      // This text is found, which shows that the search works.
      expect(found.includes(stack === here ? 'shop_clone' : 'crossing_clone')).toBe(true)
      expect(await findLeaks({ ...stack, collectPasswords: async () => [...ours, ...theirs] })).toEqual([])
    }
  })
})

/** @returns a secret's name from its ARN, without the random end */
const nameIn = (arn: string) => arn.replace(/^.*:secret:(.*)-\w{6}$/, '$1')
