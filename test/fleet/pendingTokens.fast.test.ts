import { type ParameterMetadata, SSMClient } from '@aws-sdk/client-ssm'
import { expect, test } from 'vitest'
import { findPendingTokens } from '../../fleet/parameters.ts'

const [older, newer] = ['11111111-0000-4000-8000-000000000001', '11111111-0000-4000-8000-000000000002']

/** A client that lists parameters with these names, each with the second in which it was written. */
function clientWith(written: Record<string, number>): SSMClient {
  const Parameters: ParameterMetadata[] = Object.entries(written).map(([name, second]) => ({
    Name: `/keyturn/pending/app/${name}`,
    LastModifiedDate: new Date(second * 1000),
  }))
  return Object.assign(new SSMClient({ region: 'eu-west-1' }), { send: async () => ({ Parameters }) })
}

test.each([
  ['the value that was written just before the lock', { [newer]: 10, lock: 10.05 }, newer],
  ['the newer value, whatever the order of the list', { [newer]: 10, lock: 10.05, [older]: 5 }, newer],
  ['none without a lock, as the value was discarded', { [older]: 5 }, undefined],
  ['none with a lock alone', { lock: 10 }, undefined],
])('findPendingTokens finds %s', async (_, written, token) => {
  const found = await findPendingTokens(clientWith(written))
  expect([...found]).toEqual(token ? [['/keyturn/pending/app', token]] : [])
})
