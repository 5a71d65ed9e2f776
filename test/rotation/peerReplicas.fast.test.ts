import { expect, test, vi } from 'vitest'
import { lookAtReplicasBefore } from '../../rotation/peerReplicas.ts'
import type { Description } from '../../rotation/stores/store.ts'

const arnIn = (region: string) => `arn:aws:secretsmanager:${region}:123456789012:secret:app-AbCdEf`
const copy = (more: Partial<Description> = {}): Description => ({
  current: 'current',
  pending: undefined,
  previous: undefined,
  tags: {},
  ...more,
})
const primary = copy({
  arn: arnIn('eu-west-1'),
  pending: 'foreign',
  replicas: [{ region: 'us-east-1', status: 'InProgress' }],
})
const rotation = { token: 'own', isFirst: true }

test.each([
  ['follows', copy({ primaryRegion: 'eu-west-1' }), { outcome: 'unasked' }],
  [
    'follows another Region',
    copy({ primaryRegion: 'ap-south-1' }),
    { outcome: 'behind', why: expect.stringMatching(/still follows ap-south-1/), empty: [] },
  ],
  ['stands alone', copy(), { outcome: 'promoted', why: expect.any(String), empty: [] }],
])(
  'while another version is pending, replicas are not waited for: if a replica %s, the answer is %o',
  async (_, there, found) => {
    const ask = vi.fn(async () => there)
    expect(await lookAtReplicasBefore(primary, rotation, ['us-east-1'], ask)).toEqual(found)
    expect(ask).toHaveBeenCalledOnce()
  },
)
