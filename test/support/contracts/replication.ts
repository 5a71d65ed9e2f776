import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CancelRotateSecretCommand,
  CreateSecretCommand,
  DeleteResourcePolicyCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  type DescribeSecretResponse,
  type FilterNameStringType,
  GetResourcePolicyCommand,
  ListSecretsCommand,
  PutResourcePolicyCommand,
  PutSecretValueCommand,
  RemoveRegionsFromReplicationCommand,
  type ReplicaRegionType,
  ReplicateSecretToRegionsCommand,
  RotateSecretCommand,
  type SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { expect } from 'vitest'
import { resultOrErrorName, SecretApi, versionIdOf } from './api.ts'
import type { Case } from './case.ts'

export const [homeRegion, peerRegion] = ['eu-west-1', 'eu-central-1']

/** The calls about replicas, on one secret in one Region. */
class RegionalApi extends SecretApi {
  describeAll = () => this.client.send(new DescribeSecretCommand({ SecretId: this.name }))

  createReplicated = (AddReplicaRegions: ReplicaRegionType[]) =>
    resultOrErrorName(async () => {
      const command = { Name: this.name, ClientRequestToken: versionIdOf('a'), SecretString: 'one' }
      const answer = await this.client.send(new CreateSecretCommand({ ...command, AddReplicaRegions }))
      return answer.ReplicationStatus?.map(({ Region }) => Region)
    })

  replicate = (AddReplicaRegions: ReplicaRegionType[] = [{ Region: peerRegion }], force = false) =>
    resultOrErrorName(async () => {
      const command = { SecretId: this.name, AddReplicaRegions, ForceOverwriteReplicaSecret: force }
      const answer = await this.client.send(new ReplicateSecretToRegionsCommand(command))
      return answer.ReplicationStatus?.map(({ Region }) => Region)
    })

  remove = (...RemoveReplicaRegions: string[]) =>
    resultOrErrorName(async () => {
      const command = { SecretId: this.name, RemoveReplicaRegions }
      return (await this.client.send(new RemoveRegionsFromReplicationCommand(command))).ReplicationStatus
    })

  stop = () =>
    resultOrErrorName(async () => {
      const { ARN = '' } = await this.client.send(
        new StopReplicationToReplicaCommand({ SecretId: this.name }),
      )
      return ARN
    })

  /** What DescribeSecret tells of this. */
  told = (...members: (keyof DescribeSecretResponse)[]) =>
    resultOrErrorName(async () => {
      const described = await this.describeAll()
      return members.map(member => described[member])
    })

  /** Each Region's Status and message, when none is InProgress any more. */
  statuses = () =>
    resultOrErrorName(async () => {
      for (let tries = 0; ; tries++) {
        const { ReplicationStatus = [] } = await this.describeAll()
        const isSettled = ReplicationStatus.every(({ Status }) => Status !== 'InProgress')
        if (isSettled || tries > 50) return ReplicationStatus.map(({ Region, Status }) => [Region, Status])
        await sleep(100)
      }
    })

  update = (more: { Description?: string; KmsKeyId?: string }) =>
    refusal(() => this.client.send(new UpdateSecretCommand({ SecretId: this.name, ...more })))

  policy = () =>
    resultOrErrorName(async () => {
      const command = new GetResourcePolicyCommand({ SecretId: this.name })
      return (await this.client.send(command)).ResourcePolicy
    })

  setPolicy = (ResourcePolicy: string) =>
    refusal(() => this.client.send(new PutResourcePolicyCommand({ SecretId: this.name, ResourcePolicy })))

  configureRotation = (RotationLambdaARN: string) =>
    refusal(() => {
      const command = { SecretId: this.name, RotationLambdaARN, RotateImmediately: false }
      return this.client.send(new RotateSecretCommand(command))
    })

  tryDelete = () => refusal(() => this.client.send(new DeleteSecretCommand({ SecretId: this.name })))

  listed = (Key: FilterNameStringType, ...Values: string[]) =>
    resultOrErrorName(async () => {
      const { SecretList = [] } = await this.client.send(
        new ListSecretsCommand({ Filters: [{ Key, Values }] }),
      )
      return SecretList.filter(({ Name }) => Name === this.name).map(({ PrimaryRegion }) => PrimaryRegion)
    })

  /** Tries each call that writes, and tells what each was refused with, by the call's name. */
  async writes(): Promise<Record<string, string | undefined>> {
    const SecretId = this.name
    const AddReplicaRegions = [{ Region: 'us-east-1' }]
    const stage = { VersionStage: 'blue', MoveToVersionId: versionIdOf('a') }
    const commands = {
      PutSecretValue: new PutSecretValueCommand({ SecretId, SecretString: 'two' }),
      UpdateSecretVersionStage: new UpdateSecretVersionStageCommand({ SecretId, ...stage }),
      UpdateSecret: new UpdateSecretCommand({ SecretId, Description: 'mine' }),
      TagResource: new TagResourceCommand({ SecretId, Tags: [{ Key: 'team', Value: 'mine' }] }),
      UntagResource: new UntagResourceCommand({ SecretId, TagKeys: ['team'] }),
      PutResourcePolicy: new PutResourcePolicyCommand({ SecretId, ResourcePolicy: policyFor('deny') }),
      DeleteResourcePolicy: new DeleteResourcePolicyCommand({ SecretId }),
      RotateSecret: new RotateSecretCommand({ SecretId, RotationLambdaARN: functionIn(peerRegion) }),
      CancelRotateSecret: new CancelRotateSecretCommand({ SecretId }),
      DeleteSecret: new DeleteSecretCommand({ SecretId }),
      ReplicateSecretToRegions: new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions }),
      RemoveRegionsFromReplication: new RemoveRegionsFromReplicationCommand({
        ...{ SecretId, RemoveReplicaRegions: ['us-east-1'] },
      }),
    }
    const told: Record<string, string | undefined> = {}
    for (const [name, command] of Object.entries(commands))
      told[name] = await refusal(() => this.client.send(command as DescribeSecretCommand))
    return told
  }
}

/** The error's name and words. Undefined if there is none. */
async function refusal(call: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await call()
    return undefined
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`
  }
}

function policyFor(sid: string): string {
  const statement = { Sid: sid, Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::123456789012:root' } }
  const policy = { Version: '2012-10-17', Statement: [{ ...statement, Action: '*', Resource: '*' }] }
  return JSON.stringify(policy)
}

function functionIn(region: string): string {
  return `arn:aws:lambda:${region}:123456789012:function:rotate`
}

/** One secret, as its own Region and a peer see it. */
export class Regions {
  readonly name = `replication/${randomUUID()}`
  readonly home: RegionalApi
  readonly peer: RegionalApi

  constructor(clientFor: (region: string) => SecretsManagerClient) {
    this.home = new RegionalApi(clientFor(homeRegion), this.name)
    this.peer = new RegionalApi(clientFor(peerRegion), this.name)
  }

  /** Its first version, `a`, is current, and in both Regions. */
  async replicated(): Promise<string> {
    const arn = await this.home.create('a', 'one')
    await this.home.replicate()
    await this.home.statuses()
    return arn
  }
}

const [current, pending, previous] = ['AWSCURRENT', 'AWSPENDING', 'AWSPREVIOUS']
const readOnly =
  "InvalidParameterException: Operation not permitted on a replica secret. Call must be made in primary secret's region."
const allRefused = {
  ...{ PutSecretValue: readOnly, UpdateSecretVersionStage: readOnly, UpdateSecret: readOnly },
  ...{ TagResource: readOnly, UntagResource: readOnly, PutResourcePolicy: readOnly },
  ...{ DeleteResourcePolicy: readOnly, RotateSecret: readOnly, CancelRotateSecret: readOnly },
  ...{ DeleteSecret: readOnly, ReplicateSecretToRegions: readOnly, RemoveRegionsFromReplication: readOnly },
}
const inSync = [[peerRegion, 'InSync']]
const midnight = (date: unknown) => date instanceof Date && date.getTime() % 86_400_000 === 0

export const replicationCases: Case<Regions>[] = [
  {
    title: 'CreateSecret makes replicas',
    run: async ({ home, peer: there }) => [
      await home.createReplicated([{ Region: peerRegion }]),
      await home.statuses(),
      await there.get(),
      await there.labels(),
    ],
    aws: [[peerRegion], inSync, 'one', { a: [current] }],
  },
  {
    title: 'ReplicateSecretToRegions makes replicas',
    run: async ({ home, peer: there }) => [
      await home.create('a', 'one').then(() => home.replicate()),
      await home.statuses(),
      await there.get(),
      await there.labels(),
    ],
    aws: [[peerRegion], inSync, 'one', { a: [current] }],
  },
  {
    title: "a replica has its primary's ARN, with its own Region, and is not found by its primary's",
    run: async regions => {
      const arn = await regions.replicated()
      const [told] = await regions.peer.told('ARN')
      return [told === arn.replace(homeRegion, peerRegion), await regions.peer.get({ id: arn })]
    },
    aws: [true, 'ResourceNotFoundException'],
  },
  {
    title: 'a primary tells of its replicas, and a replica of its primary',
    run: async regions => {
      await regions.replicated()
      const { ReplicationStatus = [] } = await regions.home.describeAll()
      return [
        ReplicationStatus.map(({ Region, KmsKeyId }) => [Region, KmsKeyId]),
        await regions.home.told('PrimaryRegion'),
        await regions.peer.told('PrimaryRegion', 'ReplicationStatus'),
      ]
    },
    aws: [[[peerRegion, 'alias/aws/secretsmanager']], [undefined], [homeRegion, undefined]],
    // moto gives the replica its primary's list too.
    moto: [[[peerRegion, 'alias/aws/secretsmanager']], [undefined], [homeRegion, [expect.anything()]]],
    // MiniStack leaves out a key that is not named.
    ministack: [[[peerRegion, undefined]], [undefined], [homeRegion, undefined]],
  },
  {
    title: 'a replica has the key that is named for it, and it alone can be changed there',
    run: async ({ home, peer: there }) => {
      await home.create('a', 'one')
      await home.replicate([{ Region: peerRegion, KmsKeyId: 'alias/there' }])
      await home.statuses()
      const key = async () => (await home.describeAll()).ReplicationStatus?.map(({ KmsKeyId }) => KmsKeyId)
      const before = [await key(), await there.told('KmsKeyId')]
      return [
        ...before,
        await there.update({ KmsKeyId: 'alias/new' }),
        await key(),
        await there.told('KmsKeyId'),
      ]
    },
    aws: [['alias/there'], ['alias/there'], undefined, ['alias/new'], ['alias/new']],
    // To moto the key is always aws/secretsmanager, and it cannot be changed.
    moto: [
      ...[['alias/aws/secretsmanager'], [undefined]],
      ...[readOnly, ['alias/aws/secretsmanager'], [undefined]],
    ],
  },
  {
    title: 'a replica has no rotation configuration (?)',
    run: async ({ home: own, peer: there }) => {
      await own.create('a', 'one')
      await own.configureRotation(functionIn(homeRegion))
      await own.replicate()
      await own.statuses()
      const { RotationEnabled = false, RotationLambdaARN } = await there.describeAll()
      return [RotationEnabled, RotationLambdaARN]
    },
    aws: [false, undefined],
    moto: [false, functionIn(homeRegion)],
  },
  {
    title: 'values and labels follow, AWSPENDING among them (?)',
    run: async regions => {
      await regions.replicated()
      await regions.home.put('b', 'two', [pending])
      await regions.home.statuses()
      const before = [await regions.peer.labels(), await regions.peer.get({ stage: pending })]
      await regions.home.move(current, { to: 'b', from: 'a' })
      await regions.home.statuses()
      return [...before, await regions.peer.labels(), await regions.peer.get({ stage: current })]
    },
    aws: [{ a: [current], b: [pending] }, 'two', { a: [previous], b: [current, pending] }, 'two'],
  },
  {
    title: 'GetSecretValue there without more reads AWSCURRENT, wherever it was moved',
    run: async regions => {
      await regions.replicated()
      await regions.home.put('b', 'two', [pending])
      await regions.home.move(current, { to: 'b', from: 'a' })
      await regions.home.statuses()
      return regions.peer.get()
    },
    aws: 'two',
    // moto remembers the version that last became current by a Put.
    moto: 'one',
  },
  {
    title: 'tags and description follow',
    run: async regions => {
      await regions.replicated()
      await regions.home.tag('team', 'payments')
      await regions.home.update({ Description: 'mine' })
      await regions.home.statuses()
      return [await regions.peer.tags(), await regions.peer.told('Description')]
    },
    aws: [[{ Key: 'team', Value: 'payments' }], ['mine']],
  },
  {
    title: 'the policy follows',
    run: async regions => {
      await regions.replicated()
      await regions.home.setPolicy(policyFor('first'))
      await regions.home.statuses()
      return regions.peer.policy()
    },
    aws: policyFor('first'),
    // moto refuses to read it on a replica.
    moto: 'InvalidParameterException',
  },
  {
    title: 'each write on a replica is refused',
    run: async regions => {
      await regions.replicated()
      return regions.peer.writes()
    },
    aws: allRefused,
    // moto lets labels move there, and so in the primary.
    moto: { ...allRefused, UpdateSecretVersionStage: undefined },
  },
  {
    title: 'a primary that has replicas is not deleted, until they are removed: which deletes them at once',
    run: async regions => {
      await regions.replicated()
      const refused = (await regions.home.tryDelete())?.replace(
        new RegExp(`arn:\\S+:${regions.name}-\\w+`),
        'ARN',
      )
      const removed = [
        await regions.home.remove(peerRegion),
        await regions.peer.get(),
        await regions.home.get(),
      ]
      return [refused, ...removed, await regions.home.tryDelete()]
    },
    aws: [
      `InvalidParameterException: You can't delete secret ARN that still has replica regions [${peerRegion}].`,
      ...[[], 'ResourceNotFoundException', 'one', undefined],
    ],
    // moto puts the id of the request in its words, and no full stop.
    moto: [
      expect.stringMatching(
        /^InvalidParameterException: You can't delete secret replication.*\[eu-central-1\]$/,
      ),
      ...[[], 'ResourceNotFoundException', 'one', undefined],
    ],
  },
  {
    title: 'a name that is taken there: Failed, and what is there stays',
    run: async ({ home, peer: there }) => {
      await there.create('z', 'other')
      await home.create('a', 'one')
      const answer = [await home.replicate(), await home.statuses()]
      return [...answer, await there.get(), await there.told('PrimaryRegion')]
    },
    aws: [[peerRegion], [[peerRegion, 'Failed']], 'other', [undefined]],
  },
  {
    title: 'ForceOverwriteReplicaSecret overwrites it, and there is one entry',
    run: async ({ home: own, peer: there }) => {
      await there.create('z', 'other')
      await own.create('a', 'one')
      await own.replicate()
      await own.statuses()
      const answer = [await own.replicate([{ Region: peerRegion }], true), await own.statuses()]
      return [...answer, await there.get(), await there.told('PrimaryRegion')]
    },
    aws: [[peerRegion], inSync, 'one', [homeRegion]],
    // moto adds a second entry for the same Region.
    moto: [[peerRegion, peerRegion], [[peerRegion, 'Failed'], ...inSync], 'one', [homeRegion]],
  },
  {
    title: "a replica in the primary's own Region is refused",
    run: async ({ home: own }) => {
      await own.create('a', 'one')
      return [await own.replicate([{ Region: homeRegion }]), await own.statuses()]
    },
    aws: ['InvalidParameterException', []],
  },
  {
    title: 'StopReplicationToReplica makes a replica a secret of its own',
    run: async regions => {
      const arn = await regions.replicated()
      const answer = (await regions.peer.stop()) === arn.replace(homeRegion, peerRegion)
      const told = [await regions.peer.told('PrimaryRegion'), await regions.home.statuses()]
      await regions.home.put('b', 'two')
      return [answer, ...told, await regions.peer.get(), await regions.peer.put('c', 'three')]
    },
    aws: [true, [undefined], [], 'one', [current]],
    // moto has no StopReplicationToReplica.
    moto: [false, [homeRegion], inSync, 'two', 'InvalidParameterException'],
  },
  {
    title: 'what was promoted stands in the way of its old primary (?)',
    run: async regions => {
      await regions.replicated()
      await regions.peer.stop()
      await regions.home.replicate()
      const status = await regions.home.statuses()
      await regions.home.remove(peerRegion)
      return [status, await regions.peer.get()]
    },
    aws: [[[peerRegion, 'Failed']], 'one'],
    moto: [[...inSync, [peerRegion, 'Failed']], 'ResourceNotFoundException'],
  },
  {
    title: 'StopReplicationToReplica of what is no replica is refused',
    run: async ({ home: own }) => {
      await own.create('a', 'one')
      return own.stop()
    },
    // The name of the error is our guess (?).
    aws: 'InvalidRequestException',
    moto: 'SyntaxError',
  },
  {
    title:
      'the primary tells the day on which its replica was last read, and not that on which it was itself',
    run: async regions => {
      await regions.replicated()
      const last = async () => (await regions.home.describeAll()).ReplicationStatus?.[0]?.LastAccessedDate
      await regions.home.get()
      const before = await last()
      await regions.peer.get()
      return [before, midnight(await last())]
    },
    aws: [undefined, true],
    // moto tells none. MiniStack tells each secret's own, to the second, and none of its replicas'.
    moto: [undefined, false],
    ministack: [undefined, false],
  },
  {
    title: 'ListSecrets tells PrimaryRegion and filters by it',
    run: async regions => {
      await regions.replicated()
      return [
        await regions.peer.listed('name', regions.name),
        await regions.peer.listed('primary-region', homeRegion),
        await regions.peer.listed('primary-region', 'us-east-1'),
        await regions.home.listed('primary-region', homeRegion),
      ]
    },
    // Whether a primary counts as one of its own Region is not documented (?).
    aws: [[homeRegion], [homeRegion], [], expect.anything()],
    // MiniStack ignores this filter.
    ministack: [[homeRegion], [homeRegion], [homeRegion], [undefined]],
  },
]
