import { randomUUID } from 'node:crypto'
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  type GetSecretValueCommandInput,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
  TagResourceCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { expect } from 'vitest'
import type { Case } from './case.ts'

/** @returns a version id made of one letter, as `aaa…` (32 characters). The first version of each secret is `a`. */
export const versionIdOf = (letter: string) => letter.repeat(32)

/**
 * Calls Secrets Manager by the SDK, for one secret. Each method returns only what the cases compare, or the error's
 * name if the call failed.
 */
export class SecretApi {
  protected readonly client: SecretsManagerClient
  readonly name: string

  constructor(client: SecretsManagerClient, name = `api/${randomUUID()}`) {
    this.client = client
    this.name = name
  }

  create = (letter: string, SecretString?: string, Tags?: { Key: string; Value: string }[]) =>
    resultOrErrorName(async () => {
      const command = { Name: this.name, ClientRequestToken: versionIdOf(letter), SecretString, Tags }
      const { ARN = '' } = await this.client.send(new CreateSecretCommand(command))
      return ARN
    })

  put = (letter: string, SecretString: string | undefined, VersionStages?: string[], id = this.name) =>
    resultOrErrorName(async () => {
      const command = { SecretId: id, ClientRequestToken: versionIdOf(letter), SecretString, VersionStages }
      const answer = await this.client.send(new PutSecretValueCommand(command))
      return answer.VersionStages?.toSorted()
    })

  putBinary = (letter: string, SecretBinary: Uint8Array) =>
    resultOrErrorName(async () => {
      const command = { SecretId: this.name, ClientRequestToken: versionIdOf(letter), SecretBinary }
      await this.client.send(new PutSecretValueCommand(command))
    })

  /** UpdateSecretVersionStage. `to` and `from` are the letters of the versions. */
  move = (VersionStage: string, { to, from }: { to?: string; from?: string }) =>
    resultOrErrorName(async () => {
      const versions = {
        MoveToVersionId: to && versionIdOf(to),
        RemoveFromVersionId: from && versionIdOf(from),
      }
      await this.client.send(
        new UpdateSecretVersionStageCommand({ SecretId: this.name, VersionStage, ...versions }),
      )
    })

  /** @returns the text of a version, the current one by default */
  get = ({ letter, stage, id = this.name }: { letter?: string; stage?: string; id?: string } = {}) =>
    resultOrErrorName(async () => {
      const which: GetSecretValueCommandInput = {
        SecretId: id,
        VersionId: letter && versionIdOf(letter),
        VersionStage: stage,
      }
      const { SecretString, SecretBinary } = await this.client.send(new GetSecretValueCommand(which))
      return SecretString ?? Buffer.from(SecretBinary ?? []).toString()
    })

  /** @returns the labels of each version by its letter, as DescribeSecret has them */
  describe = () =>
    resultOrErrorName(async () => {
      const { VersionIdsToStages = {} } = await this.#describe()
      return Object.fromEntries(
        Object.entries(VersionIdsToStages).map(([id, labels]) => [id.slice(0, 1), labels.toSorted()]),
      )
    })

  /** As `describe`, without the versions that have no label, which some emulators include. */
  labels = async () => {
    const described = await this.describe()
    if (typeof described === 'string') return described
    return Object.fromEntries(Object.entries(described).filter(([, labels]) => labels.length))
  }

  tags = () => resultOrErrorName(async () => (await this.#describe()).Tags)

  isMarkedDeleted = () => resultOrErrorName(async () => (await this.#describe()).DeletedDate !== undefined)

  /** @returns the letters that ListSecretVersionIds has */
  list = (IncludeDeprecated: boolean) =>
    resultOrErrorName(async () => {
      const command = new ListSecretVersionIdsCommand({ SecretId: this.name, IncludeDeprecated })
      const { Versions = [] } = await this.client.send(command)
      return Versions.map(({ VersionId }) => VersionId?.slice(0, 1)).toSorted()
    })

  tag = (Key: string, Value: string) =>
    resultOrErrorName(async () => {
      await this.client.send(new TagResourceCommand({ SecretId: this.name, Tags: [{ Key, Value }] }))
    })

  delete = () =>
    resultOrErrorName(async () => {
      await this.client.send(new DeleteSecretCommand({ SecretId: this.name }))
    })

  #describe() {
    return this.client.send(new DescribeSecretCommand({ SecretId: this.name }))
  }
}

/** @returns what the call returns, or the name of the error that it throws */
export async function resultOrErrorName<T>(call: () => Promise<T>): Promise<T | string> {
  try {
    return await call()
  } catch (error) {
    return (error as Error).name
  }
}

const [current, pending, previous] = ['AWSCURRENT', 'AWSPENDING', 'AWSPREVIOUS']
const [exists, invalidParameter, invalidRequest, notFound] = [
  'ResourceExistsException',
  'InvalidParameterException',
  'InvalidRequestException',
  'ResourceNotFoundException',
]

/** What Secrets Manager does with secrets, versions, labels and tags. */
export const apiCases: Case<SecretApi>[] = [
  {
    title: 'CreateSecret makes its version current',
    run: async api => [
      await api.create('a', 'one'),
      await api.get(),
      await api.labels(),
      await api.create('b', 'two'),
    ],
    aws: [expect.stringMatching(/^arn:aws:secretsmanager:/), 'one', { a: [current] }, exists],
  },
  {
    title: 'CreateSecret without a value: the first version gets AWSCURRENT besides its own label',
    run: async api => {
      await api.create('a')
      return [await api.labels(), await api.get(), await api.put('b', 'one', [pending]), await api.labels()]
    },
    aws: [{}, notFound, [current, pending], { b: [current, pending] }],
    ministack: [{}, notFound, [pending], { b: [pending] }],
  },
  {
    title: 'a secret is found by its name, its ARN, and its ARN without the random end',
    run: async api => {
      const arn = await api.create('a', 'one')
      const ids = [api.name, arn, arn.slice(0, -7), `${api.name}-other`]
      return Promise.all(ids.map(id => api.get({ id })))
    },
    aws: ['one', 'one', 'one', notFound],
  },
  {
    title: 'PutSecretValue without VersionStages moves AWSCURRENT, and AWSPREVIOUS after it',
    run: async api => {
      await api.create('a', 'one')
      return [await api.put('b', 'two'), await api.labels(), await api.put('c', 'three'), await api.labels()]
    },
    aws: [[current], { a: [previous], b: [current] }, [current], { b: [previous], c: [current] }],
  },
  {
    title: 'PutSecretValue with VersionStages moves those labels alone',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      return [await api.labels(), await api.put('c', 'three', [pending]), await api.labels(), await api.get()]
    },
    aws: [{ a: [current], b: [pending] }, [pending], { a: [current], c: [pending] }, 'one'],
  },
  {
    title: 'PutSecretValue of a known token with the same value changes neither value nor labels',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      await api.put('c', 'three', [pending])
      return [await api.put('b', 'two', [pending]), await api.put('a', 'one'), await api.labels()]
    },
    aws: [[], [current], { a: [current], c: [pending] }],
  },
  {
    title: 'PutSecretValue of a known token with another value is refused',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      await api.put('c', 'three', [pending])
      return [
        await api.put('a', 'else'),
        await api.put('b', 'else', [pending]),
        await api.get({ letter: 'b' }),
      ]
    },
    aws: [exists, exists, 'two'],
  },
  {
    title: 'PutSecretValue of a pending token with another value is refused',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      return [await api.put('b', 'else', [pending]), await api.get({ stage: pending })]
    },
    aws: [exists, 'two'],
    // moto treats every pending version as one that RotateSecret made without a value, and overwrites it.
    moto: [[pending], 'else'],
  },
  {
    title: 'PutSecretValue needs a value, a token of at most 64 characters, and a secret that exists',
    run: async api => {
      await api.create('a', 'one')
      return [
        await api.put('b', undefined),
        await api.put('long', 'two'),
        await api.put('b', 'two', undefined, 'none'),
      ]
    },
    aws: [invalidRequest, invalidParameter, notFound],
    // MiniStack accepts a version without a value, and a token of any length.
    ministack: [[current], [current], notFound],
  },
  {
    title: 'SecretBinary is read as it was written',
    run: async api => {
      await api.create('a')
      return [await api.putBinary('b', Buffer.from('bytes')), await api.get()]
    },
    aws: [undefined, 'bytes'],
  },
  {
    title: 'GetSecretValue by version and label finds a version only if both fit',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      return Promise.all([
        api.get({ letter: 'b' }),
        api.get({ stage: pending }),
        api.get({ letter: 'b', stage: pending }),
        api.get({ letter: 'b', stage: current }),
        api.get({ letter: 'c' }),
        api.get({ letter: 'c', stage: current }),
        api.get({ stage: previous }),
      ])
    },
    aws: ['two', 'two', 'two', invalidRequest, notFound, notFound, notFound],
  },
  {
    title:
      'UpdateSecretVersionStage moves AWSCURRENT, and AWSPREVIOUS to the version it left; other labels stay',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      return [await api.move(current, { to: 'b', from: 'a' }), await api.labels()]
    },
    aws: [undefined, { a: [previous], b: [current, pending] }],
  },
  {
    title: 'AWSCURRENT moves back, and AWSPREVIOUS takes its place',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two')
      return [await api.move(current, { to: 'a', from: 'b' }), await api.labels()]
    },
    aws: [undefined, { a: [current], b: [previous] }],
  },
  {
    title: 'GetSecretValue without version and label reads AWSCURRENT, also after it was moved',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      await api.move(current, { to: 'b', from: 'a' })
      return [await api.get(), await api.get({ stage: current })]
    },
    aws: ['two', 'two'],
    // moto reads the version that PutSecretValue last made current.
    moto: ['one', 'two'],
  },
  {
    title: 'PutSecretValue after AWSCURRENT was moved leaves AWSPREVIOUS where AWSCURRENT was',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      await api.move(current, { to: 'b', from: 'a' })
      await api.put('c', 'three')
      return api.labels()
    },
    aws: { b: [pending, previous], c: [current] },
    // To moto, `a` is still current, so that it leaves AWSCURRENT on two versions.
    moto: { a: [previous], b: [current, pending], c: [current] },
  },
  {
    title: 'moving AWSCURRENT is refused unless RemoveFromVersionId names its holder',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two')
      await api.put('c', 'three', [pending])
      const moves = [
        await api.move(current, { to: 'c' }),
        await api.move(current, { to: 'c', from: 'a' }),
        await api.move(current, { to: 'c', from: 'c' }),
        await api.move(current, { to: 'c', from: 'd' }),
      ]
      return [...moves, await api.labels()]
    },
    aws: [
      invalidParameter,
      invalidParameter,
      invalidParameter,
      invalidParameter,
      { a: [previous], b: [current], c: [pending] },
    ],
    // MiniStack has another error for a version that does not exist.
    ministack: [
      ...[invalidParameter, invalidParameter, invalidParameter, notFound],
      { a: [previous], b: [current], c: [pending] },
    ],
  },
  {
    title: 'moving any other label is refused unless RemoveFromVersionId names its holder',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      return [
        await api.move(pending, { to: 'a', from: 'a' }),
        await api.move(pending, { to: 'a' }),
        await api.labels(),
      ]
    },
    aws: [invalidParameter, invalidParameter, { a: [current], b: [pending] }],
    // moto requires RemoveFromVersionId only for AWSCURRENT, and leaves any other label on two versions.
    moto: [invalidParameter, undefined, { a: [current, pending], b: [pending] }],
  },
  {
    title: 'a label that no version has is attached without RemoveFromVersionId',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two')
      return [
        await api.move(pending, { to: 'a' }),
        await api.move('blue', { to: 'b' }),
        await api.labels(),
        await api.move('blue', { to: 'a', from: 'b' }),
        await api.labels(),
      ]
    },
    aws: [
      undefined,
      undefined,
      { a: [pending, previous], b: [current, 'blue'] },
      undefined,
      { a: [pending, previous, 'blue'], b: [current] },
    ],
  },
  {
    title: 'attaching a label again to its holder changes nothing (?)',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      return [await api.move(pending, { to: 'b' }), await api.labels()]
    },
    aws: [undefined, { a: [current], b: [pending] }],
    // moto lists the label twice.
    moto: [undefined, { a: [current], b: [pending, pending] }],
  },
  {
    title: 'moving a label to a version that does not exist is refused and changes nothing',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      return [
        await api.move(pending, { to: 'd', from: 'b' }),
        await api.move(current, { to: 'd', from: 'a' }),
        await api.labels(),
      ]
    },
    // AWS does not document which error this is (?). The action lists this one.
    aws: [notFound, notFound, { a: [current], b: [pending] }],
    // moto removes the label before it refuses.
    moto: [invalidParameter, invalidParameter, {}],
  },
  {
    title: 'a version whose label is removed stays readable by its id',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      return [
        await api.move(pending, { from: 'b' }),
        await api.labels(),
        await api.get({ letter: 'b' }),
        await api.get({ stage: pending }),
      ]
    },
    aws: [undefined, { a: [current] }, 'two', notFound],
  },
  {
    title: 'removing a label from a version that does not have it is refused',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      return [
        await api.move(pending, { from: 'a' }),
        await api.move(pending, { from: 'd' }),
        await api.move('blue', { from: 'a' }),
        await api.labels(),
      ]
    },
    aws: [invalidParameter, invalidParameter, invalidParameter, { a: [current], b: [pending] }],
    ministack: [invalidParameter, notFound, invalidParameter, { a: [current], b: [pending] }],
  },
  {
    title: 'AWSCURRENT can be moved, but not removed',
    run: async api => {
      await api.create('a', 'one')
      return [await api.move(current, { from: 'a' }), await api.labels()]
    },
    aws: [invalidParameter, { a: [current] }],
    moto: [undefined, { a: [previous] }],
    ministack: [undefined, {}],
  },
  {
    title: 'DescribeSecret leaves out versions without labels',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', ['blue'])
      await api.move('blue', { from: 'b' })
      return api.describe()
    },
    aws: { a: [current] },
    moto: { a: [current], b: [] },
  },
  {
    title: 'ListSecretVersionIds leaves out versions without labels, unless IncludeDeprecated is set',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', ['blue'])
      await api.move('blue', { from: 'b' })
      return [await api.list(false), await api.list(true)]
    },
    aws: [['a'], ['a', 'b']],
    // moto ignores IncludeDeprecated and NextToken, and its CreatedDate is the time of the call.
    moto: [
      ['a', 'b'],
      ['a', 'b'],
    ],
    ministack: [
      ['a', 'b'],
      ['a', 'b'],
    ],
  },
  {
    title: 'TagResource adds a tag and changes one',
    run: async api => {
      await api.create('a', 'one', [{ Key: 'keyturn:grace', Value: '1d' }])
      return [await api.tag('keyturn:grace', '2d'), await api.tag('team', 'payments'), await api.tags()]
    },
    aws: [
      undefined,
      undefined,
      [
        { Key: 'keyturn:grace', Value: '2d' },
        { Key: 'team', Value: 'payments' },
      ],
    ],
  },
  {
    title: 'a secret marked for deletion can be described and listed, but neither read nor changed',
    run: async api => {
      await api.create('a', 'one')
      await api.put('b', 'two', [pending])
      const before = [await api.isMarkedDeleted(), await api.delete(), await api.isMarkedDeleted()]
      const reads = [await api.get(), await api.get({ letter: 'b', stage: pending }), await api.list(true)]
      const writes = [
        await api.move(pending, { from: 'b' }),
        await api.tag('team', 'payments'),
        await api.put('c', 'three', [pending]),
        await api.delete(),
      ]
      return [...before, ...reads, ...writes]
    },
    aws: [
      ...[false, undefined, true],
      ...[invalidRequest, invalidRequest, ['a', 'b']],
      ...[invalidRequest, invalidRequest, invalidRequest, invalidRequest],
    ],
    // moto refuses only reads and a second deletion.
    moto: [
      ...[false, undefined, true],
      ...[invalidRequest, invalidRequest, ['a', 'b']],
      ...[undefined, undefined, [pending], invalidRequest],
    ],
  },
]
