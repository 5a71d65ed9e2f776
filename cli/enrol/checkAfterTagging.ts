import { setTimeout as sleep } from 'node:timers/promises'
import type { CheckLineName, CheckResult } from '../../rotation/check/line.ts'
import { checkCredential } from '../check/run.ts'
import type { Context } from '../context.ts'
import type { FoundCredential } from '../credential.ts'
import { ExecutionFailure } from '../runExecution.ts'
import type { Stack } from '../stack.ts'
import type { Say } from '../watch/runJobs.ts'

/** Milliseconds after which IAM should have seen a new tag. Before that, a refusal may only mean that IAM has not seen it yet. */
const TAG_SEEN_WITHIN_MS = 60_000
/** Milliseconds between two attempts. */
const RETRY_INTERVAL_MS = 3000

/** Lines of a check whose NotPermitted comes from IAM, and not from a database. */
const AWS_LINES: readonly CheckLineName[] = ['tags', 'value', 'key', 'store']

/**
 * Checks a credential that was just tagged, and repeats the check for a minute while IAM refuses to read the value. The check
 * tries no login before the value can be read, so no failed logins add up.
 * @throws as `checkCredential` does
 */
export const checkAfterTagging = (
  context: Context,
  stack: Stack,
  found: FoundCredential,
  signal: AbortSignal,
  say: Say,
): Promise<CheckResult> =>
  retryUntilTagSeen(() => checkCredential(context, stack, found, signal, say), isRefusedByIam, signal, say)

/**
 * Repeats an attempt for a minute while IAM refuses it: IAM may need some seconds to see a new tag.
 * @param isRefused whether a result shows that IAM refused
 * @returns the first result that is not refused, or the last one
 * @throws as `attempt` does
 */
export async function retryUntilTagSeen<Result>(
  attempt: () => Promise<Result>,
  isRefused: (result: Result) => boolean,
  signal: AbortSignal,
  say: Say,
): Promise<Result> {
  const until = Date.now() + TAG_SEEN_WITHIN_MS
  for (let tries = 0; ; tries++) {
    const outcome = await attempt().catch(error => {
      if (error instanceof ExecutionFailure && error.error === 'NotPermitted') return error
      throw error
    })
    const isOver = Date.now() + RETRY_INTERVAL_MS > until
    if (outcome instanceof ExecutionFailure) {
      if (isOver) throw outcome
    } else if (isOver || !isRefused(outcome)) return outcome
    if (tries === 0) say('waiting until IAM has seen the new tag')
    await sleep(RETRY_INTERVAL_MS, undefined, { signal })
  }
}

const isRefusedByIam = ({ lines }: CheckResult): boolean =>
  lines.some(
    ({ line, state, error }) => state === 'failed' && error === 'NotPermitted' && AWS_LINES.includes(line),
  )
