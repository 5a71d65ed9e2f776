import { readFileSync } from 'node:fs'
import { MongoClient } from 'mongodb'
import { afterAll, describe, expect, inject, test } from 'vitest'
import { startGateway } from '../../local/servers/documentdbGateway.ts'
import { makeApp } from '../../local/servers/mongodbDatabase.ts'
import { mongodbTestServer } from '../support/testServers.ts'
import { generalEntries } from './generalEntries.ts'
import { coveredFields, excusedFields, mongodbEntries } from './mongodbEntries.ts'
import { worldMatrix } from './world.ts'

for (const server of inject('mongodb')) {
  // A gateway of its own, whose options are the server's states.
  const options = { ...server.gatewayOptions }
  const { port, stop } = await startGateway(options)
  afterAll(stop)
  worldMatrix(mongodbTestServer({ ...server, port }), [
    ...generalEntries(),
    ...mongodbEntries(server, options),
  ])
}

describe.each(inject('mongodb'))('$name', server => {
  test('all that it tells of a user is changed by an entry, or excused', async () => {
    const { user, admin } = await makeApp(server)
    const { username, password } = admin
    const client = new MongoClient(`mongodb://localhost:${server.port}/`, {
      auth: { username, password },
      ...{ directConnection: true, tls: true, ca: readFileSync(server.caFile, 'utf8') },
    })
    const { users } = await client.db('admin').command({ usersInfo: user, showPrivileges: true })
    await client.close()
    const fields = Object.keys(users[0])
    expect(fields).toEqual(expect.arrayContaining(coveredFields))
    for (const field of fields) expect([...coveredFields, ...Object.keys(excusedFields)]).toContain(field)
  })
})
