import { afterEach, describe, expect, test } from 'vitest'
import { randomHex } from '../../../local/servers/postgresDatabase.ts'
import { RETIRE_WAIT_MS, retire } from '../../../rotation/retire.ts'
import * as steps from '../../../rotation/steps.ts'
import {
  mongodbTestServers,
  mysqlTestServers,
  postgresTestServers,
  redisTestServers,
  redshiftTestServers,
} from '../../support/testServers.ts'
import { World } from '../../world/world.ts'

const { sessions: patience } = RETIRE_WAIT_MS
afterEach(() => {
  RETIRE_WAIT_MS.sessions = patience
})

const places = [
  ...postgresTestServers(),
  ...redshiftTestServers(),
  ...mysqlTestServers('mysql'),
  ...mysqlTestServers('mariadb'),
  ...redisTestServers(),
]

/** Makes a secret whose application has moved back from the clone, which remains to be dropped. */
async function movedBack(place: (typeof places)[number]) {
  const world = await World.create(place, 'temporary-clone', 'clone')
  const { id, pipeline } = world
  const before = await world.current()
  const rotation = await steps.createSecret(pipeline, { id, token: randomHex(16) })
  await steps.setSecret(pipeline, rotation)
  await steps.testSecret(pipeline, rotation)
  await steps.finishSecret(pipeline, rotation)
  const engine = place.engine((_, effect) => effect())
  return { world, before, rotation, engine }
}

describe.each(places)('$name', place => {
  test('a clone with a session is locked, and dropped when the session has ended', async () => {
    const { world, before, rotation, engine } = await movedBack(place)
    {
      await using _ = await engine.login(before)
      await expect(retire(world.pipeline, rotation)).rejects.toMatchObject({
        name: 'Conflict',
        message: expect.stringContaining('sessions are open'),
      })
      expect(await place.admits(before)).toBe(false)
    }
    expect(await retire(world.pipeline, rotation)).toEqual({ outcome: 'retired' })
  })

  test('a clone with a session that does not end is kept without an error, and the next rotation uses it', async () => {
    const { world, before, rotation, engine } = await movedBack(place)
    await using _ = await engine.login(before)
    RETIRE_WAIT_MS.sessions = 0
    expect(await retire(world.pipeline, rotation)).toEqual({
      outcome: 'kept',
      reason: expect.stringContaining(world.clone),
    })
    expect(await place.admits(before)).toBe(false)
    const { end, retirement } = await world.rotate(async () => {})
    expect({ end, retirement }).toEqual({ end: 'rotated', retirement: undefined })
    expect(await place.admits(await world.current())).toBe(true)
  })
})

describe.each(mongodbTestServers())('$name', place => {
  test('a clone is kept, locked, on a server that does not say whose sessions are open', async () => {
    const { world, before, rotation } = await movedBack(place)
    expect(await retire(world.pipeline, rotation)).toMatchObject({ outcome: 'kept' })
    expect(await place.admits(before)).toBe(false)
  })
})
