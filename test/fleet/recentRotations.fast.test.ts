import { SFNClient } from '@aws-sdk/client-sfn'
import { expect, test } from 'vitest'
import { findRecentRotations } from '../../fleet/recentRotations.ts'

/** A client that gets pages of executions, the newest first, one for each second. */
function clientOf(count: number, nameOf = (n: number) => `token-${n}`.padEnd(36, '-x')) {
  const asked: unknown[] = []
  const client = new SFNClient({ region: 'eu-west-1' })
  client.send = (async ({ input }: { input: { maxResults: number; nextToken?: string } }) => {
    asked.push(input)
    const first = Number(input.nextToken ?? 0)
    const end = Math.min(count, first + input.maxResults)
    const executions = Array.from({ length: end - first }, (_, n) => ({
      name: nameOf(first + n),
      startDate: new Date((count - first - n) * 1000),
    }))
    return { executions, ...(end < count && { nextToken: `${end}` }) }
  }) as never
  return { client, asked }
}

test.each([
  [0, 1],
  [1000, 1],
  [5000, 5],
])('of %i executions all are known, by %i calls', async (count, calls) => {
  const { client, asked } = clientOf(count)
  const { startTimes, knownSince } = await findRecentRotations(client, 'arn')
  expect([startTimes.size, knownSince, asked.length]).toEqual([count, Number.NEGATIVE_INFINITY, calls])
})

test('of more executions, the newest five thousand are known, and since when they are complete', async () => {
  const { client, asked } = clientOf(1_000_000)
  const { startTimes, knownSince } = await findRecentRotations(client, 'arn')
  expect([startTimes.size, knownSince, asked.length]).toEqual([5000, 995_001_000, 5])
})

test('further attempts have the same token, and the last of them counts', async () => {
  const token = '0a1b2c3d-0000-4000-8000-123456789012'
  const names = [`${token}-12`, `${token}-2`, token]
  const { client } = clientOf(3, n => `${names[n]}`)
  expect([...(await findRecentRotations(client, 'arn')).startTimes]).toEqual([[token, 3000]])
})
