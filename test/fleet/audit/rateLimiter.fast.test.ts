import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RateLimiter } from '../../../fleet/audit/rateLimiter.ts'
import { rateLimitOf } from '../../../fleet/audit/rateLimits.ts'

type Middleware = (
  next: (args: unknown) => Promise<unknown>,
  context: object,
) => (args: unknown) => Promise<unknown>

/** Makes calls through the middleware. @returns when each was sent */
function paced(at: { now: number }, answer: () => unknown = () => undefined) {
  const made: number[] = []
  let wait = 0
  const pace = new RateLimiter({
    now: () => at.now,
    wait: async milliseconds => {
      wait = milliseconds
    },
  })
  let middleware: Middleware | undefined
  const middlewareStack = {
    addRelativeTo: (added: Middleware) => {
      middleware = added
    },
  }
  const call = (operation: string, region = 'eu-west-1', service = 'secretsmanager') => {
    pace.limit({ middlewareStack: middlewareStack as never }, service, region)
    wait = 0
    const next = async () => {
      made.push(at.now + wait)
      const error = answer()
      if (error) throw error
    }
    return middleware?.(next, { commandName: `${operation}Command` })({}).catch(() => {})
  }
  return { made, call }
}

/** The most calls in any second. */
const busiest = (times: number[]) =>
  Math.max(0, ...times.map(from => times.filter(at => at >= from && at < from + 1000).length))

describe('calls', () => {
  test.each([
    ['secretsmanager', 'GetResourcePolicy'],
    ['secretsmanager', 'ListSecrets'],
    ['ssm', 'DescribeParameters'],
    ['cloudtrail', 'LookupEvents'],
  ])(
    'of %s %s stay within the limit in every second, whenever they are asked for',
    async (service, operation) => {
      const most = rateLimitOf(service, operation)?.perSecond ?? 0
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(3000), { maxLength: 150 }), async arrivals => {
          const at = { now: 0 }
          const { made, call } = paced(at)
          for (const arrival of arrivals.toSorted((a, b) => a - b)) {
            at.now = arrival
            await call(operation, 'eu-west-1', service)
          }
          expect(made).toHaveLength(arrivals.length)
          expect(busiest(made)).toBeLessThanOrEqual(Math.max(most, 1))
        }),
        { numRuns: 30 },
      )
    },
  )

  test('are sent at 90 % of the limit, and not slower', async () => {
    const { made, call } = paced({ now: 0 })
    for (let i = 0; i < 5000; i += 1) await call('GetResourcePolicy')
    expect(made.at(-1)).toBeGreaterThan(110_000)
    expect(made.at(-1)).toBeLessThan(112_000)
  })

  test('of another Region do not wait', async () => {
    const { made, call } = paced({ now: 0 })
    for (let i = 0; i < 100; i += 1) await call('GetResourcePolicy')
    await call('GetResourcePolicy', 'eu-central-1')
    expect(made.at(-1)).toBe(0)
  })

  test('slow down when one was throttled, and become faster again', async () => {
    const at = { now: 0 }
    let throttled = true
    const error = Object.assign(new Error(''), { name: 'ThrottlingException' })
    const { made, call } = paced(at, () => (throttled ? error : undefined))
    const gapAfter = async (calls: number) => {
      for (let i = 0; i < calls; i += 1) {
        await call('GetResourcePolicy')
        at.now = made.at(-1) ?? 0
      }
      return (made.at(-1) ?? 0) - (made.at(-2) ?? 0)
    }
    const slow = await gapAfter(10)
    expect(slow).toBeGreaterThan(300)
    throttled = false
    expect(await gapAfter(100)).toBeLessThan(23)
  })
})
