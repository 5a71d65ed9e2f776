import { remedyOf } from '../../fleet/remedies.ts'
import { isAccessDenied } from '../../rotation/callAws.ts'
import { TAG_PREFIX } from '../../rotation/tags.ts'
import { type FoundCredential, type FoundSecret, fullId } from '../credential.ts'
import { sanitize } from '../output.ts'
import { ExecutionFailure } from '../runExecution.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { Say } from '../watch/runJobs.ts'
import type { EnrolStep } from './step.ts'

/** What stores an admin in a value. */
export type AdminSetter = {
  stack: Stack
  /** Runs the execution that does it. @returns what that told */
  setAdmin(found: FoundCredential, admin: FoundSecret, say: Say): Promise<{ outcome: string }>
}

/** Errors after which the value may have been stored all the same. */
const UNCLEAR_ERRORS = ['Unexpected', 'Throttled', 'Unreachable', 'Conflict', 'StoreFailed']

/**
 * Has a function store the admin in the value. That is not taken back: `stays` gets the strategy's tag, without which an admin
 * in the value means alternating users.
 */
export function setAdminStep(
  { stack, setAdmin }: AdminSetter,
  found: FoundCredential,
  admin: FoundSecret,
  stays: string[],
): EnrolStep {
  const machine = outputOf(stack, 'SetAdminStateMachineArn')
  return {
    shownCall: {
      ...{ service: 'states', operation: 'StartExecution', resource: fullId(found.store, found.name) },
      sets: `${machine.split(':').at(-1)} adds masterarn=${admin.arn} to the value, and nothing else; that counts as a change by hand, so the interval begins anew`,
    },
    async run(say) {
      stays.push(`${TAG_PREFIX}strategy`)
      try {
        const { outcome } = await setAdmin(found, admin, say)
        if (outcome !== 'set') stays.pop()
        say(
          outcome === 'set'
            ? `the value names its admin now, ${sanitize(admin.name)}`
            : 'the value named this admin before',
        )
      } catch (error) {
        if (isNothingStored(error)) stays.pop()
        throw error
      }
    },
  }
}

/** Whether nothing was stored, by the error. */
const isNothingStored = (error: unknown): boolean =>
  error instanceof ExecutionFailure
    ? remedyOf(error.error) !== undefined && !UNCLEAR_ERRORS.includes(error.error)
    : error instanceof Error && isAccessDenied(error)
