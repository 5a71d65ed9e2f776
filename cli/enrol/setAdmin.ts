import { remedyOf } from '../../fleet/remedies.ts'
import { isAccessDenied } from '../../rotation/callAws.ts'
import { TAG_PREFIX } from '../../rotation/tags.ts'
import { type FoundCredential, type FoundSecret, fullId } from '../credential.ts'
import { sanitize } from '../output.ts'
import { ExecutionFailure } from '../runExecution.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { Say } from '../watch/runJobs.ts'
import type { EnrolStep } from './step.ts'

/** What setAdminStep needs to store the ARN of an admin's secret in a credential's value. */
export type AdminSetter = {
  stack: Stack
  /** Runs the execution that does so. @returns its output: `set`, or `already` if the value named this admin before */
  setAdmin(found: FoundCredential, admin: FoundSecret, say: Say): Promise<{ outcome: string }>
}

/** Errors of the execution after which the value may have been stored all the same. */
const UNCLEAR_ERRORS = ['Unexpected', 'Throttled', 'Unreachable', 'Conflict', 'StoreFailed']

/** The tag that names the strategy. */
const STRATEGY_TAG = `${TAG_PREFIX}strategy`

/**
 * A step that has a function store the admin's ARN in the value, as `masterarn`. This step has no undo: if the enrolment fails
 * later, `masterarn` stays in the value. A value with `masterarn` and without the tag keyturn:strategy would rotate by alternating
 * users. So the step adds that tag to `keptTags`, the tags that undoing the other steps leaves in place.
 */
export function setAdminStep(
  { stack, setAdmin }: AdminSetter,
  found: FoundCredential,
  admin: FoundSecret,
  keptTags: string[],
): EnrolStep {
  const stateMachineArn = outputOf(stack, 'SetAdminStateMachineArn')
  const dropKeptTag = () => {
    const index = keptTags.lastIndexOf(STRATEGY_TAG)
    if (index >= 0) keptTags.splice(index, 1)
  }
  return {
    shownCall: {
      service: 'states',
      operation: 'StartExecution',
      resource: fullId(found.store, found.name),
      sets: `${stateMachineArn.split(':').at(-1)} adds masterarn=${admin.arn} to the value, and nothing else; that counts as a change by hand, so the interval starts again`,
    },
    async run(say) {
      // Before the call: if its result stays unknown, the tag has to stay.
      keptTags.push(STRATEGY_TAG)
      try {
        const { outcome } = await setAdmin(found, admin, say)
        if (outcome !== 'set') dropKeptTag()
        say(
          outcome === 'set'
            ? `the value names its admin now, ${sanitize(admin.name)}`
            : 'the value named this admin before',
        )
      } catch (error) {
        if (isNothingStored(error)) dropKeptTag()
        throw error
      }
    },
  }
}

/** Whether an error means for certain that nothing was stored. */
const isNothingStored = (error: unknown): boolean =>
  error instanceof ExecutionFailure
    ? isKnownError(error.error) && !UNCLEAR_ERRORS.includes(error.error)
    : error instanceof Error && isAccessDenied(error)

/** Whether an error with this name is one of Keyturn's, and not of Step Functions or Lambda: only Keyturn's have a remedy. */
const isKnownError = (name: string): boolean => remedyOf(name) !== undefined
