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

/** The primary's Region, and its replica's. */
export const [homeRegion, peerRegion] = ['eu-west-1', 'eu-central-1']

/** Secrets Manager's calls about replicas, for one secret in one Region. */
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

  /** @returns these members of DescribeSecret's answer, in this order */
  members = (...members: (keyof DescribeSecretResponse)[]) =>
    resultOrErrorName(async () => {
      const described = await this.describeAll()
      return members.map(member => described[member])
    })

  /** Waits until no replica is InProgress any more. @returns each Region with its Status */
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

  /** Tries each call that writes. @returns by the call's name the error that refused it, or undefined if it succeeded */
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
    const refusals: Record<string, string | undefined> = {}
    for (const [name, command] of Object.entries(commands))
      refusals[name] = await refusal(() => this.client.send(command as DescribeSecretCommand))
    return refusals
  }
}

/** @returns the error's name and message, or undefined if there is none */
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

/** One secret in its home Region and in a peer Region. */
export class Regions {
  readonly name = `replication/${randomUUID()}`
  readonly home: RegionalApi
  readonly peer: RegionalApi

  constructor(clientFor: (region: string) => SecretsManagerClient) {
    this.home = new RegionalApi(clientFor(homeRegion), this.name)
    this.peer = new RegionalApi(clientFor(peerRegion), this.name)
  }

  /** Makes the secret in both Regions, with the current version `a`. @returns its ARN in the home Region */
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
const isMidnight = (date: unknown) => date instanceof Date && date.getTime() % 86_400_000 === 0

/** What Secrets Manager does with replicas in other Regions. */
export const replicationCases: Case<Regions>[] = [
  {
    title: 'CreateSecret makes replicas',
    run: async ({ home, peer }) => [
      await home.createReplicated([{ Region: peerRegion }]),
      await home.statuses(),
      await peer.get(),
      await peer.labels(),
    ],
    aws: [[peerRegion], inSync, 'one', { a: [current] }],
  },
  {
    title: 'ReplicateSecretToRegions makes replicas',
    run: async ({ home, peer }) => [
      await home.create('a', 'one').then(() => home.replicate()),
      await home.statuses(),
      await peer.get(),
      await peer.labels(),
    ],
    aws: [[peerRegion], inSync, 'one', { a: [current] }],
  },
  {
    title: "a replica has its primary's ARN with its own Region, and is not found by the primary's ARN",
    run: async regions => {
      const arn = await regions.replicated()
      const [described] = await regions.peer.members('ARN')
      return [described === arn.replace(homeRegion, peerRegion), await regions.peer.get({ id: arn })]
    },
    aws: [true, 'ResourceNotFoundException'],
  },
  {
    title: 'DescribeSecret of a primary has its replicas, and that of a replica has the primary Region',
    run: async regions => {
      await regions.replicated()
      const { ReplicationStatus = [] } = await regions.home.describeAll()
      return [
        ReplicationStatus.map(({ Region, KmsKeyId }) => [Region, KmsKeyId]),
        await regions.home.members('PrimaryRegion'),
        await regions.peer.members('PrimaryRegion', 'ReplicationStatus'),
      ]
    },
    aws: [[[peerRegion, 'alias/aws/secretsmanager']], [undefined], [homeRegion, undefined]],
    // moto has the list of replicas in the replica's answer too.
    moto: [[[peerRegion, 'alias/aws/secretsmanager']], [undefined], [homeRegion, [expect.anything()]]],
    // MiniStack leaves KmsKeyId out unless the secret names a key.
    ministack: [[[peerRegion, undefined]], [undefined], [homeRegion, undefined]],
  },
  {
    title: 'a replica has its own KMS key, which is the only thing that can be changed there',
    run: async ({ home, peer }) => {
      await home.create('a', 'one')
      await home.replicate([{ Region: peerRegion, KmsKeyId: 'alias/there' }])
      await home.statuses()
      const key = async () => (await home.describeAll()).ReplicationStatus?.map(({ KmsKeyId }) => KmsKeyId)
      const before = [await key(), await peer.members('KmsKeyId')]
      return [
        ...before,
        await peer.update({ KmsKeyId: 'alias/new' }),
        await key(),
        await peer.members('KmsKeyId'),
      ]
    },
    aws: [['alias/there'], ['alias/there'], undefined, ['alias/new'], ['alias/new']],
    // With moto the key is always aws/secretsmanager, and cannot be changed.
    moto: [
      ...[['alias/aws/secretsmanager'], [undefined]],
      ...[readOnly, ['alias/aws/secretsmanager'], [undefined]],
    ],
  },
  {
    title: 'a replica has no rotation configuration (?)',
    run: async ({ home, peer }) => {
      await home.create('a', 'one')
      await home.configureRotation(functionIn(homeRegion))
      await home.replicate()
      await home.statuses()
      const { RotationEnabled = false, RotationLambdaARN } = await peer.describeAll()
      return [RotationEnabled, RotationLambdaARN]
    },
    aws: [false, undefined],
    moto: [false, functionIn(homeRegion)],
  },
  {
    title: 'a replica gets values and labels, also AWSPENDING (?)',
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
    title: 'GetSecretValue on a replica without version and label reads AWSCURRENT, also after it was moved',
    run: async regions => {
      await regions.replicated()
      await regions.home.put('b', 'two', [pending])
      await regions.home.move(current, { to: 'b', from: 'a' })
      await regions.home.statuses()
      return regions.peer.get()
    },
    aws: 'two',
    // moto reads the version that PutSecretValue last made current.
    moto: 'one',
  },
  {
    title: 'a replica gets tags and description',
    run: async regions => {
      await regions.replicated()
      await regions.home.tag('team', 'payments')
      await regions.home.update({ Description: 'mine' })
      await regions.home.statuses()
      return [await regions.peer.tags(), await regions.peer.members('Description')]
    },
    aws: [[{ Key: 'team', Value: 'payments' }], ['mine']],
  },
  {
    title: 'a replica gets the resource policy',
    run: async regions => {
      await regions.replicated()
      await regions.home.setPolicy(policyFor('first'))
      await regions.home.statuses()
      return regions.peer.policy()
    },
    aws: policyFor('first'),
    // moto refuses to read a replica's policy.
    moto: 'InvalidParameterException',
  },
  {
    title: 'each write on a replica is refused',
    run: async regions => {
      await regions.replicated()
      return regions.peer.writes()
    },
    aws: allRefused,
    // moto moves labels on a replica, and with it on the primary.
    moto: { ...allRefused, UpdateSecretVersionStage: undefined },
  },
  {
    title: 'a primary is not deleted while it has replicas, and removing a replica deletes it at once',
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
    // moto's message has the id of the request instead of the ARN, and no full stop.
    moto: [
      expect.stringMatching(
        /^InvalidParameterException: You can't delete secret replication.*\[eu-central-1\]$/,
      ),
      ...[[], 'ResourceNotFoundException', 'one', undefined],
    ],
  },
  {
    title: 'if another secret has the name in the peer Region, the status is Failed, and that secret stays',
    run: async ({ home, peer }) => {
      await peer.create('z', 'other')
      await home.create('a', 'one')
      const answer = [await home.replicate(), await home.statuses()]
      return [...answer, await peer.get(), await peer.members('PrimaryRegion')]
    },
    aws: [[peerRegion], [[peerRegion, 'Failed']], 'other', [undefined]],
  },
  {
    title: 'ForceOverwriteReplicaSecret overwrites that secret, and there is one status for the Region',
    run: async ({ home, peer }) => {
      await peer.create('z', 'other')
      await home.create('a', 'one')
      await home.replicate()
      await home.statuses()
      const answer = [await home.replicate([{ Region: peerRegion }], true), await home.statuses()]
      return [...answer, await peer.get(), await peer.members('PrimaryRegion')]
    },
    aws: [[peerRegion], inSync, 'one', [homeRegion]],
    // moto adds a second entry for the same Region.
    moto: [[peerRegion, peerRegion], [[peerRegion, 'Failed'], ...inSync], 'one', [homeRegion]],
  },
  {
    title: "a replica in the primary's own Region is refused",
    run: async ({ home }) => {
      await home.create('a', 'one')
      return [await home.replicate([{ Region: homeRegion }]), await home.statuses()]
    },
    aws: ['InvalidParameterException', []],
  },
  {
    title: 'StopReplicationToReplica makes a replica a secret of its own',
    run: async regions => {
      const arn = await regions.replicated()
      const answer = (await regions.peer.stop()) === arn.replace(homeRegion, peerRegion)
      const described = [await regions.peer.members('PrimaryRegion'), await regions.home.statuses()]
      await regions.home.put('b', 'two')
      return [answer, ...described, await regions.peer.get(), await regions.peer.put('c', 'three')]
    },
    aws: [true, [undefined], [], 'one', [current]],
    // moto has no StopReplicationToReplica.
    moto: [false, [homeRegion], inSync, 'two', 'InvalidParameterException'],
  },
  {
    title: 'a promoted replica blocks replication from its old primary, which cannot delete it (?)',
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
    title: 'StopReplicationToReplica of a secret that is no replica is refused',
    run: async ({ home }) => {
      await home.create('a', 'one')
      return home.stop()
    },
    // AWS does not document which error this is (?).
    aws: 'InvalidRequestException',
    moto: 'SyntaxError',
  },
  {
    title:
      'DescribeSecret of the primary has the day on which its replica was last read, not the primary itself',
    run: async regions => {
      await regions.replicated()
      const last = async () => (await regions.home.describeAll()).ReplicationStatus?.[0]?.LastAccessedDate
      await regions.home.get()
      const before = await last()
      await regions.peer.get()
      return [before, isMidnight(await last())]
    },
    aws: [undefined, true],
    // moto has no LastAccessedDate. MiniStack has each secret's own, to the second, and none of its replicas.
    moto: [undefined, false],
    ministack: [undefined, false],
  },
  {
    title: 'ListSecrets returns PrimaryRegion and filters by it',
    run: async regions => {
      await regions.replicated()
      return [
        await regions.peer.listed('name', regions.name),
        await regions.peer.listed('primary-region', homeRegion),
        await regions.peer.listed('primary-region', 'us-east-1'),
        await regions.home.listed('primary-region', homeRegion),
      ]
    },
    // AWS does not document whether a primary matches its own Region (?).
    aws: [[homeRegion], [homeRegion], [], expect.anything()],
    // MiniStack ignores this filter.
    ministack: [[homeRegion], [homeRegion], [homeRegion], [undefined]],
  },
]
