import type { ParameterFacts, SecretFacts } from '../facts.ts'
import { STEADY_SHARE } from '../rateLimiter.ts'
import { rateLimitOf, SERVICE_NAMES, type ServiceKey } from '../rateLimits.ts'
import { callsNeededFor } from './secrets.ts'

/** How many calls of one kind are still to be made in a Region, and AWS's limit of calls a second. */
export type PlannedCalls = {
  service: string
  operation: string
  region: string
  calls: number
  perSecond: number
}

/** All calls that are still to be made once the lists are read. `seconds` is how long the slowest kind of them takes. */
export type CallPlan = { calls: PlannedCalls[]; seconds: number }

/**
 * Plans the calls about single credentials and functions.
 * @param functions the rotation functions of the secrets
 * @param parameters those that may have a resource policy
 */
export function planCalls(
  secrets: Iterable<SecretFacts>,
  functions: { region: string }[],
  parameters: Iterable<ParameterFacts>,
): CallPlan {
  const plannedByKind = new Map<string, PlannedCalls>()
  const addCall = (service: ServiceKey, operation: string, region: string) => {
    const key = `${region} ${service} ${operation}`
    const { perSecond = 1 } = rateLimitOf(service, operation) ?? {}
    const planned = plannedByKind.get(key) ?? {
      service: SERVICE_NAMES[service],
      operation,
      region,
      calls: 0,
      perSecond,
    }
    plannedByKind.set(key, { ...planned, calls: planned.calls + 1 })
  }
  for (const secret of secrets)
    for (const operation of callsNeededFor(secret)) addCall('secretsmanager', operation, secret.region)
  for (const { region } of functions) addCall('lambda', 'GetFunctionConfiguration', region)
  for (const { region } of parameters) addCall('ssm', 'GetResourcePolicies', region)
  const calls = [...plannedByKind.values()]
  return {
    calls,
    seconds: Math.max(0, ...calls.map(({ calls, perSecond }) => calls / (perSecond * STEADY_SHARE))),
  }
}
