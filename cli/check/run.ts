import * as v from 'valibot'
import type { CheckResult } from '../../rotation/check/line.ts'
import type { Context } from '../context.ts'
import type { FoundCredential } from '../credential.ts'
import { sanitize } from '../output.ts'
import { ExecutionFailure, parseOutput, runExecution } from '../runExecution.ts'
import { outputOf, type Stack } from '../stack.ts'

/** Characters of a text that are printed at most. The texts come from the stack's function that runs the check. */
const MAX_TEXT_LENGTH = 1000
const textSchema = v.pipe(
  v.string(),
  v.transform(text => sanitize(text).slice(0, MAX_TEXT_LENGTH)),
)
const lineSchema = v.object({
  line: textSchema,
  state: v.picklist(['ok', 'warning', 'failed', 'not-looked-at']),
  says: textSchema,
  error: v.optional(textSchema),
  remedy: v.optional(textSchema),
})
const checkResultSchema = v.looseObject({
  result: v.picklist(['ok', 'warning', 'failed']),
  lines: v.pipe(v.array(lineSchema), v.maxLength(100)),
  strategy: v.optional(textSchema),
  user: v.optional(textSchema),
  address: v.optional(textSchema),
  admin: v.optional(textSchema),
})

/** The ARN of the state machine that checks credentials. @throws CommandError if an old stack has none */
export const checkStateMachineArn = (stack: Stack): string => outputOf(stack, 'CheckStateMachineArn')

/**
 * Checks whether the rotation of a credential would go well: the stack's check runs in the VPC and logs in. Nothing is changed.
 * @param onSlow called once with a text for the user if the check takes longer than some seconds
 * @throws ExecutionFailure if the check has no result; CommandError with EXIT.stopped if it takes longer than three minutes;
 * AbortError if `signal` is aborted
 */
export async function checkCredential(
  context: Context,
  stack: Stack,
  found: FoundCredential,
  signal: AbortSignal,
  onSlow: (text: string) => void,
): Promise<CheckResult> {
  const end = await runExecution(context, checkStateMachineArn(stack), found, { signal, onSlow })
  const parsed = v.safeParse(checkResultSchema, parseOutput(end.output))
  if (!parsed.success)
    throw new ExecutionFailure('the check has no result', end.status ?? '', 'its output cannot be parsed')
  return parsed.output as unknown as CheckResult
}
