import { PutSecretValueCommand, StopReplicationToReplicaCommand } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { asSuperuser, hex } from '../../local/servers/postgresDatabase.ts'
import { inRegion } from '../../rotation/arn.ts'
import { scheduleTag } from '../../rotation/promotion/serviceSchedule.ts'
import { from, here, LostRegion, oldHost, rotationFunction } from '../support/lostRegion.ts'
import { captureOutput } from '../support/observe.ts'

let lost: LostRegion
beforeAll(async () => {
  lost = await LostRegion.start()
})
afterAll(() => lost?.stop())
beforeEach(() => {
  captureOutput()
  lost.events = []
  lost.isLost = false
})

/** A user of the database here, with this password. */
async function makeUser(password = hex()): Promise<{ username: string; password: string }> {
  const username = `u_${hex()}`
  await asSuperuser(lost.embedded.postgres, `create role ${username} login password '${password}'`)
  return { username, password }
}
const stored = (login: { username: string; password: string }, more: object = {}) => ({
  engine: 'postgres',
  host: oldHost,
  port: lost.embedded.postgres.port,
  dbname: 'postgres',
  ...login,
  ...more,
})
/** Writes a later version of a secret of the lost Region. */
const put = (arn: string, value: object, stage = 'AWSCURRENT') =>
  lost.old.send(
    new PutSecretValueCommand({
      SecretId: inRegion(arn, from),
      SecretString: JSON.stringify(value),
      VersionStages: [stage],
    }),
  )
const labelsOf = async (arn: string) =>
  Object.values((await lost.describe(arn)).VersionIdsToStages ?? {}).flat()

describe('a replica of a Region that is lost', () => {
  test('stands on its own, logs in with the host of this Region, and rotates here', async () => {
    const login = await makeUser()
    const arn = await lost.add(`shop/${login.username}`, {
      value: stored(login),
      tags: {
        'keyturn:service-schedule':
          scheduleTag({ ScheduleExpression: 'rate(10 days)', Duration: '3h' }) ?? '',
      },
    })
    lost.isLost = true
    const { output, failure } = await lost.promote()
    expect(failure).toBeUndefined()
    expect(output).toMatchObject({ from, count: 1, unknown: 0, promoted: 1, failed: { count: 0 } })
    expect(await lost.served(arn)).toEqual(stored(login, { host: 'localhost' }))
    const found = await lost.describe(arn)
    expect(found.PrimaryRegion).toBeUndefined()
    expect(found.tags).toMatchObject({
      'keyturn:home': here,
      [`keyturn:given-up:${from}`]: expect.stringMatching(/^\d{4}-\d\d-\d\d promoted in its place$/),
    })
    expect(found).toMatchObject({
      RotationEnabled: true,
      RotationLambdaARN: rotationFunction,
      RotationRules: { ScheduleExpression: 'rate(10 days)', Duration: '3h' },
    })
    expect((await lost.promote()).output).toMatchObject({
      count: 0,
      promoted: 0,
      before: 1,
      failed: { count: 0 },
    })
  })

  test.for(['previous', 'pending'] as const)(
    'is given its %s version where the database knows no other',
    async stage => {
      const login = await makeUser()
      const known = stored(login)
      const unknown = stored({ ...login, password: hex() })
      const arn = await lost.add(`${stage}/${login.username}`, {
        value: stage === 'previous' ? known : unknown,
      })
      if (stage === 'previous') await put(arn, unknown)
      else await put(arn, known, 'AWSPENDING')
      lost.isLost = true
      const { output } = await lost.promote()
      expect(output).toMatchObject({ promoted: 1, failed: { count: 0 } })
      expect(await lost.served(arn)).toEqual({ ...known, host: 'localhost' })
      expect(await labelsOf(arn)).not.toContain('AWSPENDING')
    },
  )
})

void StopReplicationToReplicaCommand
