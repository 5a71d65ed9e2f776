import { expect, test } from 'vitest'
import { peerCheck, versionCheck } from '../../cli/doctor/versions.ts'
import type { Peer } from '../../cli/peers.ts'

const stack = { name: 'keyturn-prod', stage: 'prod', version: '1.2.0', outputs: {} }
const there = { region: 'eu-central-1', state: 'there', name: 'keyturn-prod' } as const
const region = 'eu-central-1'

test.each<[Peer, string, string]>([
  [{ ...there, version: '1.2.0', differences: [] }, 'ok', ''],
  [{ ...there, version: '1.1.0', differences: [] }, 'warning', 'has version 1.1.0, and this stack has 1.2.0'],
  [
    { ...there, version: '1.2.0', differences: [{ name: 'grace', here: '24h', there: '1h' }] },
    'warning',
    'is deployed with other parameters: grace',
  ],
  [{ region, state: 'missing' }, 'failed', 'has no stack of the stage prod'],
  [{ region, state: 'unseen', why: 'no answer' }, 'unread', 'could not be asked: no answer'],
])('a peer that is %j', (peer, ...told) => {
  const { kind, about, state, says } = peerCheck(peer, stack)
  expect([kind, about, state, says]).toEqual(['peer', region, ...told])
})

test('another version of the command is a warning that says which of the two to update', () => {
  expect(versionCheck('1.2.0', stack).state).toBe('ok')
  expect(versionCheck('1.3.0', stack).remedy).toMatch(/deploy the stack again with Keyturn 1\.3\.0/)
  expect(versionCheck('1.1.0', stack).remedy).toMatch(/install the command of Keyturn 1\.2\.0/)
})
