import { setTimeout as sleep } from 'node:timers/promises'
import type { HistoryEvent, SFNClient } from '@aws-sdk/client-sfn'
import { CommandError, EXIT } from '../exit.ts'
import { PollTolerance } from '../pollTolerance.ts'
import { HistoryReader, type RotationStep } from './historyReader.ts'

/** Milliseconds between two polls: each interval is longer than the one before, up to the longest. */
const POLL_INTERVAL_MS = { first: 300, longest: 2000 }
/** Milliseconds that an execution may take to exist: Secrets Manager has it started a moment after RotateSecret has returned. */
const START_LIMIT_MS = 60_000

/**
 * Yields the steps of an execution, first those that have happened, then each new one, until the execution ends.
 * @throws CommandError if it does not begin within a minute; what AWS throws, after some polls if it is temporary; AbortError
 * if `signal` is aborted
 */
export async function* followExecution(
  client: SFNClient,
  executionArn: string,
  signal: AbortSignal,
): AsyncGenerator<RotationStep> {
  const history = new HistoryReader()
  const startedAt = Date.now()
  const pollTolerance = new PollTolerance(signal)
  let lastEventId = 0
  for (
    let interval = POLL_INTERVAL_MS.first;
    ;
    interval = Math.min(interval * 1.2, POLL_INTERVAL_MS.longest)
  ) {
    const poll = fetchEventsAfter(lastEventId, client, executionArn, signal).catch(error => {
      if (error.name !== 'ExecutionDoesNotExist' || lastEventId > 0) throw error
      if (Date.now() - startedAt < START_LIMIT_MS) return []
      throw notBegunError(executionArn)
    })
    const events = await pollTolerance.tolerate(poll)
    for (const event of events ?? []) {
      lastEventId = event.id ?? lastEventId
      const step = history.read(event)
      if (step) yield step
      if (step?.kind === 'ended') return
    }
    await sleep(interval, undefined, { signal })
  }
}

/**
 * The events after the one with the id `lastEventId`, in their order. Pages are read from the latest event back, as a history
 * can be long.
 */
async function fetchEventsAfter(
  lastEventId: number,
  client: SFNClient,
  executionArn: string,
  abortSignal: AbortSignal,
): Promise<HistoryEvent[]> {
  const { GetExecutionHistoryCommand } = await import('@aws-sdk/client-sfn')
  const newEvents: HistoryEvent[] = []
  let nextToken: string | undefined
  do {
    const command = new GetExecutionHistoryCommand({
      executionArn,
      reverseOrder: true,
      maxResults: 100,
      nextToken,
    })
    const { events = [], nextToken: next } = await client.send(command, { abortSignal })
    const newOnPage = events.filter(({ id = 0 }) => id > lastEventId)
    newEvents.push(...newOnPage)
    nextToken = newOnPage.length === events.length ? next : undefined
  } while (nextToken)
  return newEvents.reverse()
}

const notBegunError = (executionArn: string) =>
  new CommandError(
    EXIT.failed,
    `the rotation was requested, but has not begun within a minute: ${executionArn}`,
    "Look at the log of the stack's function rotateSecret, which Secrets Manager calls.",
  )
