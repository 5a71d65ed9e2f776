import { remedyOf } from '../../fleet/remedies.ts'
import { isDenied } from '../../rotation/ask.ts'
import { PREFIX } from '../../rotation/tags.ts'
import { type Found, type FoundSecret, fullId } from '../credentialId.ts'
import { plain } from '../output.ts'
import { ExecutionFailure } from '../runExecution.ts'
import { outputOf, type Stack } from '../stack.ts'
import type { Say } from '../watch/view.ts'
import type { Step } from './step.ts'

/** What stores an admin in a value. */
export type SetsAdmin = {
  stack: Stack
  /** Runs the execution that does it. @returns what that told */
  setAdmin(found: Found, admin: FoundSecret, say: Say): Promise<{ outcome: string }>
}

/** Errors after which the value may have been stored all the same. */
const unclear = ['Unexpected', 'Throttled', 'Unreachable', 'Conflict', 'StoreFailed']

/**
 * Has a function store the admin in the value. That is not taken back: `stays` gets the strategy's tag, without which an admin
 * in the value means alternating users.
 */
export function setAdminStep(
  { stack, setAdmin }: SetsAdmin,
  found: Found,
  admin: FoundSecret,
  stays: string[],
): Step {
  const machine = outputOf(stack, 'SetAdminStateMachineArn')
  return {
    shown: {
      ...{ service: 'states', operation: 'StartExecution', resource: fullId(found.store, found.name) },
      sets: `${machine.split(':').at(-1)} adds masterarn=${admin.arn} to the value, and nothing else; that counts as a change by hand, so the interval begins anew`,
    },
    async run(say) {
      stays.push(`${PREFIX}strategy`)
      try {
        const { outcome } = await setAdmin(found, admin, say)
        if (outcome !== 'set') stays.pop()
        say(
          outcome === 'set'
            ? `the value names its admin now, ${plain(admin.name)}`
            : 'the value named this admin before',
        )
      } catch (error) {
        if (isCertain(error)) stays.pop()
        throw error
      }
    },
  }
}

/** Whether nothing was stored, by the error. */
const isCertain = (error: unknown): boolean =>
  error instanceof ExecutionFailure
    ? remedyOf(error.error) !== undefined && !unclear.includes(error.error)
    : error instanceof Error && isDenied(error)
