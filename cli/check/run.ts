import * as v from 'valibot'
import type { Checked } from '../../rotation/check/line.ts'
import type { Context } from '../context.ts'
import type { Found } from '../credentialId.ts'
import { plain } from '../output.ts'
import { ExecutionFailure, jsonIn, runExecution } from '../runExecution.ts'
import { outputOf, type Stack } from '../stack.ts'

/** Characters of a text that came from the function. */
const MOST = 1000
const text = v.pipe(
  v.string(),
  v.transform(given => plain(given).slice(0, MOST)),
)
const line = v.object({
  line: text,
  state: v.picklist(['ok', 'warning', 'failed', 'not-looked-at']),
  says: text,
  error: v.optional(text),
  remedy: v.optional(text),
})
const checked = v.looseObject({
  result: v.picklist(['ok', 'warning', 'failed']),
  lines: v.pipe(v.array(line), v.maxLength(100)),
  ...{
    strategy: v.optional(text),
    user: v.optional(text),
    address: v.optional(text),
    admin: v.optional(text),
  },
})

/** The ARN of the state machine that checks. @throws CommandError if the stack is older than it */
export const checkMachineOf = (stack: Stack): string => outputOf(stack, 'CheckStateMachineArn')

/**
 * Whether the rotation of a credential would go well, as a function in the VPC finds. Nothing is changed.
 * @param slow called once, when it takes longer than some seconds
 * @throws ExecutionFailure if there is no result; CommandError with `stopped` if it takes too long; AbortError
 */
export async function runCheck(
  context: Context,
  stack: Stack,
  found: Found,
  signal: AbortSignal,
  slow: (text: string) => void,
): Promise<Checked> {
  const end = await runExecution(context, checkMachineOf(stack), found, { signal, slow })
  const parsed = v.safeParse(checked, jsonIn(end.output))
  if (!parsed.success)
    throw new ExecutionFailure('the check told no result', end.status ?? '', 'its output cannot be read')
  return parsed.output as unknown as Checked
}
