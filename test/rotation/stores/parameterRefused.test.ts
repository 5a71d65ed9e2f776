import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
import { AddTagsToResourceCommand, type ParameterHistory } from '@aws-sdk/client-ssm'
import { describe, expect, test } from 'vitest'
import { Throttled } from '../../../rotation/errors.ts'
import { parseOptions } from '../../../rotation/options.ts'
import type { Pipeline } from '../../../rotation/pipeline.ts'
import { createSecret } from '../../../rotation/steps.ts'
import { credentialWith } from '../../support/contracts/store.ts'
import {
  bin,
  calls,
  faultOnce,
  labelVersion,
  makeParameter,
  makePendingParameter,
  overwriteParameter,
  putParameter,
  readHistory,
  readPendingParameters,
  ssmClient,
  ssmError,
  store,
  storeFaults,
  valueWith,
} from '../../support/parameterStore.ts'

describe.skipIf(!bin)('Parameter Store over moto', () => {
  describe('createSecret refuses, before anything is written, what no rotation could complete:', () => {
    const rotating = new Set<string>()
    const untouched = new Set<string>()
    const create_ = (id: string, token: string = randomUUID()) =>
      createSecret(
        {
          store,
          isRotating: async token => rotating.has(token),
          hasChangedNothing: async token => untouched.has(token),
          readConnection: async () => '{"engine":"postgres","host":"db.example.com","username":"app"}',
          defaults: parseOptions({}),
        } as Partial<Pipeline> as Pipeline,
        { id, token },
      )
    const letters = (count: number, prefix = 'x') => Array.from({ length: count }, (_, n) => `${prefix}${n}`)
    /** Changes the last entry of the history, for members that moto does not keep. */
    const tells = (entry: Partial<ParameterHistory>) => {
      storeFaults.each = async (action, call) => {
        const answer = await call()
        if (action === 'GetParameterHistory')
          Object.assign((answer as { Parameters: ParameterHistory[] }).Parameters.at(-1) ?? {}, entry)
        return answer
      }
    }
    const expiring = (Timestamp: Date) => ({
      Policies: [
        { PolicyText: '{"Type":"NoChangeNotification"}' },
        { PolicyText: JSON.stringify({ Type: 'Expiration', Attributes: { Timestamp } }) },
      ],
    })
    async function refused(id: string, field: string, message: RegExp) {
      const token = randomUUID()
      await expect(create_(id, token)).rejects.toMatchObject({
        name: 'InvalidCredential',
        field,
        message: expect.stringMatching(message),
      })
      const written = calls.filter(action => !/^(Get|ListTags)/.test(action))
      expect(written).toEqual([])
    }

    test('a current version with ten labels, unless one is Keyturn’s and moves', async () => {
      const id = await makeParameter()
      await labelVersion(id, 1, ...letters(10))
      await refused(id, 'labels', /the current version has 10, .* take one of yours off/)
      const [one, token] = [await makeParameter(), randomUUID()]
      await store.propose(one, token, credentialWith('next'))
      await store.promote(one, token, 'v1')
      await labelVersion(one, 2, ...letters(8))
      const next = randomUUID()
      await create_(one, next)
      await store.promote(one, next, token)
      expect((await readHistory(one)).map(({ Labels = [] }) => Labels.includes('previous'))).toEqual([
        false,
        true,
        false,
      ])
    })

    test('but ten labels that come during a rotation only cost the label `previous`', async () => {
      const { id, token } = await makePendingParameter()
      await labelVersion(id, 1, ...letters(10))
      await store.promote(id, token, 'v1')
      expect(await readPendingParameters(id)).toEqual([])
      expect(await store.describe(id)).toMatchObject({ current: token, pending: undefined, previous: 'v1' })
    })

    test('a version of a dead promotion that has nine other labels, with an error that says what to do', async () => {
      const { id, token } = await makePendingParameter()
      faultOnce('LabelParameterVersion', () => Promise.reject(ssmError('InternalServerError')))
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Throttled)
      await labelVersion(id, 2, ...letters(9))
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(
        'Parameter Store: version 2 has ten labels; take one of yours off',
      )
    })

    test('a label that is not Keyturn’s on the oldest of 100 versions', async () => {
      const id = await makeParameter()
      await labelVersion(id, 1, 'previous')
      for (let n = 2; n <= 100; n++) await overwriteParameter(id, `p${n}`)
      await create_(id)
      const other = await makeParameter()
      await labelVersion(other, 1, 'golden')
      for (let n = 2; n <= 99; n++) await overwriteParameter(other, `p${n}`)
      expect(await store.describe(other)).not.toHaveProperty('obstacle')
      await overwriteParameter(other, 'p100')
      calls.length = 0
      await refused(other, 'labels', /^labels: version 1, the oldest of 100, has the label golden/)
    }, 60_000)

    test('a name of thirteen levels, but not of twelve', async () => {
      for (const name of [letters(12, randomUUID()), [randomUUID()]])
        await putParameter(`/${name.join('/')}`, {}).then(() => create_(`/${name.join('/')}`))
      const id = `/${letters(13, randomUUID()).join('/')}`
      await putParameter(id, {})
      calls.length = 0
      await refused(id, 'id', /^id: has 13 levels, .* may have 12$/)
    })

    test('a name of 958 characters, but not of 957', async () => {
      const long = (length: number) => `/${randomUUID().padEnd(length - 1, 'x')}`
      const id = long(957)
      await putParameter(id, {})
      await create_(id)
      const longer = long(958)
      await putParameter(longer, {})
      calls.length = 0
      await refused(longer, 'id', /^id: has 958 characters, .* may have 957$/)
    })

    test.each([
      ['Standard', 4096],
      ['Advanced', 8192],
    ] as const)(
      'a value that fits into the tier %s while the new one would be too long',
      async (Tier, most) => {
        // Of a password of one character it makes one of 32.
        const ofLength = (length: number) => {
          const value = JSON.stringify({ ...JSON.parse(credentialWith('x').serialize()), note: '' })
          return value.replace('"note":""', `"note":"${'n'.repeat(length - value.length)}"`)
        }
        await create_(await makeParameter({ Tier, Value: ofLength(most - 31) }))
        const id = await makeParameter({ Tier, Value: ofLength(most - 30) })
        calls.length = 0
        await refused(id, 'value', new RegExp(`^value: would have ${most + 1} characters, .* takes ${most}$`))
      },
    )

    test.each([
      ['ParameterPatternMismatchException', 'value', 'own AllowedPattern, ^x$'],
      ['HierarchyLevelLimitExceededException', 'id', 'too many levels'],
      ['ValidationException', 'id', 'does not take a new value'],
    ])('a pending value that AWS refuses by %s, without AWS’s text', async (name, field, words) => {
      const id = await makeParameter({ AllowedPattern: '^x$' })
      faultOnce('PutParameter', () => Promise.reject(ssmError(name, 'Value Hidden-1 at value')))
      const error = await create_(id).catch(error => error)
      expect(error).toMatchObject({ name: 'InvalidCredential', field })
      expect(error.message).toContain(words)
      expect(inspect(error, { depth: null, showHidden: true })).not.toMatch(/Hidden|Exception/)
      expect(await readPendingParameters(id)).toEqual([])
    })

    test('a policy that deletes the parameter before the rotation ends, but not a later one', async () => {
      const [soon, later] = [14 * 60_000, 16 * 60_000].map(ms => new Date(Date.now() + ms))
      const id = await makeParameter({ Tier: 'Advanced' })
      tells(expiring(soon as Date))
      await refused(id, 'policies', /^policies: Expiration deletes the parameter at 20/)
      tells(expiring(later as Date))
      await create_(id)
      const { id: other, token } = await makePendingParameter({ Tier: 'Advanced' })
      faultOnce('PutParameter', () => Promise.reject(ssmError('InvalidPolicyAttributeException')))
      await expect(store.promote(other, token, 'v1')).rejects.toMatchObject({ field: 'policies' })
    })

    test('a StringList, and a data type that is not text', async () => {
      const id = await makeParameter({ Type: 'StringList' })
      await refused(id, 'type', /^type: is StringList/)
      tells({ DataType: 'aws:ec2:image' })
      await refused(await makeParameter({ Value: 'ami-1' }), 'data type', /^data type: is aws:ec2:image/)
    })

    test('a parameter under Keyturn’s own path of pending values', async () => {
      const { id, token } = await makePendingParameter()
      calls.length = 0
      await refused(`/keyturn/pending${id}/${token}`, 'id', /^id: should be none under \/keyturn\/pending\//)
      const like = `/keyturn/pendings/${randomUUID()}`
      await putParameter(like, {})
      await create_(like)
    })

    test('a name with a version or a label, an ARN, and a secret that is read through Parameter Store', async () => {
      const id = await makeParameter()
      for (const selector of ['3', 'current'])
        await refused(
          `${id}:${selector}`,
          'id',
          new RegExp(`name of the parameter alone, ${id}: .:${selector}.`),
        )
      await refused(
        '/aws/reference/secretsmanager/shop/db',
        'id',
        /^id: names a secret .* \{"store":"secrets-manager","id":"shop\/db"\}$/,
      )
      await refused(`arn:aws:ssm:eu-west-1:123456789012:parameter${id}`, 'id', /not its ARN/)
    })

    test('AWS’s JSON with the tag for a password alone, but not a password that looks like JSON', async () => {
      const tagged = async (Value: string) => {
        const id = await makeParameter({ Value })
        const Tags = [{ Key: 'keyturn:connection', Value: '/shop/connection' }]
        await ssmClient.send(
          new AddTagsToResourceCommand({ ResourceType: 'Parameter', ResourceId: id, Tags }),
        )
        return id
      }
      await refused(await tagged(valueWith('Hidden-1')), 'keyturn:connection', /remove the tag/)
      for (const password of ['{"a":1}', 'null', '"password"', '7']) await create_(await tagged(password))
    })

    test('an abandoned rotation is rolled back first, whatever the store would refuse now', async () => {
      const { id, token } = await makePendingParameter()
      await labelVersion(id, 1, ...letters(10))
      await expect(create_(id)).rejects.toMatchObject({ name: 'RotationAbandoned' })
      rotating.add(token)
      await expect(create_(id)).rejects.toMatchObject({ name: 'RotationInProgress' })
      rotating.clear()
      await store.discard(id, token)
      calls.length = 0
      await refused(id, 'labels', /take one of yours off/)
    })

    test('the value of an abandoned rotation that changed nothing is discarded, and the next one gets the lock', async () => {
      const { id, token } = await makePendingParameter()
      untouched.add(token)
      const next = randomUUID()
      await create_(id, next)
      expect((await store.describe(id)).pending).toBe(next)
      await store.promote(id, next, 'v1')
      expect((await store.describe(id)).current).toBe(next)
    })

    test('a rotation that was promoted is reported as such, whatever the store would refuse now', async () => {
      const { id, token } = await makePendingParameter()
      await store.promote(id, token, 'v1')
      await labelVersion(id, 2, ...letters(8))
      await labelVersion(id, 2, 'current', `token-${token}`)
      tells({ DataType: 'aws:ec2:image' })
      expect(await create_(id, token)).toMatchObject({ token, replaces: 'v1' })
    })

    test('createSecret makes no further calls if nothing is refused', async () => {
      const id = await makeParameter()
      await create_(id)
      expect(calls.toSorted()).toEqual(
        [
          ...['GetParameterHistory', 'GetParameter', 'ListTagsForResource'],
          ...['GetParameterHistory', 'GetParameter', 'GetParameter'],
          ...['GetParameterHistory', 'GetParameter', 'PutParameter', 'PutParameter'],
        ].toSorted(),
      )
    })
  })
})
