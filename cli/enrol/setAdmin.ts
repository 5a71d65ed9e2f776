import { remedyOf } from '../../fleet/remedies.ts'
import { isAccessDenied } from '../../rotation/callAws.ts'
import { TAG_PREFIX } from '../../rotation/tags.ts'
import { type FoundCredential, type FoundSecret, fullId } from '../credential.ts'
import { sanitize } from '../output.ts'
import { ExecutionFailure } from '../runExecution.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { Say } from '../watch/runJobs.ts'
import type { EnrolStep } from './step.ts'

/** Stores the ARN of an admin's secret in a credential's value. */
export type AdminSetter = {
  stack: Stack
  /** Runs the execution that does so. @returns its output: `set`, or `already` if the value named this admin before */
  setAdmin(found: FoundCredential, admin: FoundSecret, say: Say): Promise<{ outcome: string }>
}

/** Errors of the execution after which the value may have been stored all the same. */
const UNCLEAR_ERRORS = ['Unexpected', 'Throttled', 'Unreachable', 'Conflict', 'StoreFailed']

/**
 * A step that has a function store the admin's ARN in the value, as `masterarn`. It is never undone. So that the value keeps its
 * meaning, the step adds keyturn:strategy to `keptTags`: without that tag a value with `masterarn` means alternating users.
 */
export function setAdminStep(
  { stack, setAdmin }: AdminSetter,
  found: FoundCredential,
  admin: FoundSecret,
  keptTags: string[],
): EnrolStep {
  const stateMachineArn = outputOf(stack, 'SetAdminStateMachineArn')
  return {
    shownCall: {
      ...{ service: 'states', operation: 'StartExecution', resource: fullId(found.store, found.name) },
      sets: `${stateMachineArn.split(':').at(-1)} adds masterarn=${admin.arn} to the value, and nothing else; that counts as a change by hand, so the interval starts again`,
    },
    async run(say) {
      keptTags.push(`${TAG_PREFIX}strategy`)
      try {
        const { outcome } = await setAdmin(found, admin, say)
        if (outcome !== 'set') keptTags.pop()
        say(
          outcome === 'set'
            ? `the value names its admin now, ${sanitize(admin.name)}`
            : 'the value named this admin before',
        )
      } catch (error) {
        if (isNothingStored(error)) keptTags.pop()
        throw error
      }
    },
  }
}

/** Whether an error means for certain that nothing was stored. */
const isNothingStored = (error: unknown): boolean =>
  error instanceof ExecutionFailure
    ? remedyOf(error.error) !== undefined && !UNCLEAR_ERRORS.includes(error.error)
    : error instanceof Error && isAccessDenied(error)
