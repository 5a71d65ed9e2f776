import { setTimeout as sleep } from 'node:timers/promises'
import type { Checked, LineName } from '../../rotation/check/line.ts'
import { runCheck } from '../check/run.ts'
import type { Context } from '../context.ts'
import type { Found } from '../credentialId.ts'
import { ExecutionFailure } from '../runExecution.ts'
import type { Stack } from '../stack.ts'
import type { Say } from '../watch/view.ts'

/** Milliseconds until IAM should have seen a tag, and between two tries. */
const [SEEN_WITHIN, PAUSE] = [60_000, 3000]

/** Lines whose NotPermitted is IAM's, as it has not seen a tag yet, and not a database's. */
const ofAws: readonly LineName[] = ['tags', 'value', 'key', 'store']

/**
 * A check of a credential that was tagged just now: again and again for a minute while IAM refuses it. No login is tried before
 * IAM lets the value be read.
 * @throws as `runCheck` does
 */
export const checkAdmitted = (
  context: Context,
  stack: Stack,
  found: Found,
  signal: AbortSignal,
  say: Say,
): Promise<Checked> => untilSeen(() => runCheck(context, stack, found, signal, say), isByIam, signal, say)

/**
 * What an execution comes to, tried again for a minute while IAM refuses it: it may take some seconds until IAM sees a tag.
 * @throws as `attempt` does
 */
export async function untilSeen<Result>(
  attempt: () => Promise<Result>,
  isRefused: (result: Result) => boolean,
  signal: AbortSignal,
  say: Say,
): Promise<Result> {
  const until = Date.now() + SEEN_WITHIN
  for (let tries = 0; ; tries++) {
    const outcome = await attempt().catch(error => {
      if (error instanceof ExecutionFailure && error.error === 'NotPermitted') return error
      throw error
    })
    const isOver = Date.now() + PAUSE > until
    if (outcome instanceof ExecutionFailure) {
      if (isOver) throw outcome
    } else if (isOver || !isRefused(outcome)) return outcome
    if (tries === 0) say('waiting until IAM sees the tag')
    await sleep(PAUSE, undefined, { signal })
  }
}

const isByIam = ({ lines }: Checked): boolean =>
  lines.some(
    ({ line, state, error }) => state === 'failed' && error === 'NotPermitted' && ofAws.includes(line),
  )
