import { setTimeout as sleep } from 'node:timers/promises'
import type { CheckLineName, CheckResult } from '../../rotation/check/line.ts'
import { checkCredential } from '../check/run.ts'
import type { Context } from '../context.ts'
import type { FoundCredential } from '../credential.ts'
import { ExecutionFailure } from '../runExecution.ts'
import type { Stack } from '../stack.ts'
import type { Say } from '../watch/runJobs.ts'

/** Milliseconds until IAM should have seen a tag, and between two tries. */
const [TAG_SEEN_WITHIN_MS, RETRY_INTERVAL_MS] = [60_000, 3000]

/** Lines whose NotPermitted is IAM's, as it has not seen a tag yet, and not a database's. */
const AWS_LINES: readonly CheckLineName[] = ['tags', 'value', 'key', 'store']

/**
 * A check of a credential that was tagged just now: again and again for a minute while IAM refuses it. No login is tried before
 * IAM lets the value be read.
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
 * What an execution comes to, tried again for a minute while IAM refuses it: it may take some seconds until IAM sees a tag.
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
    if (tries === 0) say('waiting until IAM sees the tag')
    await sleep(RETRY_INTERVAL_MS, undefined, { signal })
  }
}

const isRefusedByIam = ({ lines }: CheckResult): boolean =>
  lines.some(
    ({ line, state, error }) => state === 'failed' && error === 'NotPermitted' && AWS_LINES.includes(line),
  )
