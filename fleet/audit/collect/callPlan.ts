import type { ParameterFacts, SecretFacts } from '../facts.ts'
import { STEADY_SHARE } from '../rateLimiter.ts'
import { rateLimitOf, SERVICE_NAMES, type ServiceKey } from '../rateLimits.ts'
import { callsNeededFor } from './secrets.ts'

/** How many calls of one kind there will be in a Region, and how many a second AWS takes. */
export type PlannedCalls = {
  service: string
  operation: string
  region: string
  calls: number
  perSecond: number
}

/** All that is still to be asked once the lists are read; the slowest of these takes so many seconds. */
export type CallPlan = { calls: PlannedCalls[]; seconds: number }

/** What is to be asked of each secret, of each function, and of each of these parameters. */
export function planCalls(
  secrets: Iterable<SecretFacts>,
  functions: { region: string }[],
  parameters: Iterable<ParameterFacts>,
): CallPlan {
  const counted = new Map<string, PlannedCalls>()
  const count = (service: ServiceKey, operation: string, region: string) => {
    const key = `${region} ${service} ${operation}`
    const { perSecond = 1 } = rateLimitOf(service, operation) ?? {}
    const planned = counted.get(key) ?? {
      service: SERVICE_NAMES[service],
      operation,
      region,
      calls: 0,
      perSecond,
    }
    counted.set(key, { ...planned, calls: planned.calls + 1 })
  }
  for (const secret of secrets)
    for (const operation of callsNeededFor(secret)) count('secretsmanager', operation, secret.region)
  for (const { region } of functions) count('lambda', 'GetFunctionConfiguration', region)
  for (const { region } of parameters) count('ssm', 'GetResourcePolicies', region)
  const calls = [...counted.values()]
  return {
    calls,
    seconds: Math.max(0, ...calls.map(({ calls, perSecond }) => calls / (perSecond * STEADY_SHARE))),
  }
}
