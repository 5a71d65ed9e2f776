import * as v from 'valibot'
import type { CheckResult } from '../../rotation/check/line.ts'
import type { Context } from '../context.ts'
import type { FoundCredential } from '../credential.ts'
import { sanitize } from '../output.ts'
import { ExecutionFailure, parseOutput, runExecution } from '../runExecution.ts'
import { outputOf, type Stack } from '../stack.ts'

/** Characters of a text that came from the function. */
const MAX_TEXT_LENGTH = 1000
const textSchema = v.pipe(
  v.string(),
  v.transform(given => sanitize(given).slice(0, MAX_TEXT_LENGTH)),
)
const lineSchema = v.object({
  line: textSchema,
  state: v.picklist(['ok', 'warning', 'failed', 'not-looked-at']),
  says: textSchema,
  error: v.optional(textSchema),
  remedy: v.optional(textSchema),
})
const checkedSchema = v.looseObject({
  result: v.picklist(['ok', 'warning', 'failed']),
  lines: v.pipe(v.array(lineSchema), v.maxLength(100)),
  ...{
    strategy: v.optional(textSchema),
    user: v.optional(textSchema),
    address: v.optional(textSchema),
    admin: v.optional(textSchema),
  },
})

/** The ARN of the state machine that checks. @throws CommandError if the stack is older than it */
export const checkStateMachineArn = (stack: Stack): string => outputOf(stack, 'CheckStateMachineArn')

/**
 * Whether the rotation of a credential would go well, as a function in the VPC finds. Nothing is changed.
 * @param slow called once, when it takes longer than some seconds
 * @throws ExecutionFailure if there is no result; CommandError with `stopped` if it takes too long; AbortError
 */
export async function checkCredential(
  context: Context,
  stack: Stack,
  found: FoundCredential,
  signal: AbortSignal,
  slow: (text: string) => void,
): Promise<CheckResult> {
  const end = await runExecution(context, checkStateMachineArn(stack), found, { signal, slow })
  const parsed = v.safeParse(checkedSchema, parseOutput(end.output))
  if (!parsed.success)
    throw new ExecutionFailure('the check told no result', end.status ?? '', 'its output cannot be read')
  return parsed.output as unknown as CheckResult
}
