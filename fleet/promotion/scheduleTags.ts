import { type SecretsManagerClient, TagResourceCommand } from '@aws-sdk/client-secrets-manager'
import { ask } from '../../rotation/ask.ts'
import { homeIn, SERVICE_SCHEDULE } from '../../rotation/tags.ts'
import { byLot } from '../digest.ts'
import type { Scheduled } from '../inventory.ts'
import { settled } from '../pool.ts'

/** Secrets that one run tags at most: each has its replicas on their way for a moment. */
const MOST = 20
const AT_ONCE = 5

/** A secret, and what its tag is to be. */
export type Untold = { id: string; arn: string; value: string }

/**
 * The secrets at home in `region` whose tag does not tell the schedule that Secrets Manager rotates them by with this stack;
 * not those that rotate or are `due`, as a new tag puts replicas on their way, which a rotation waits for. They come by lot:
 * else those that may not be tagged would keep the others from it.
 */
export function untold(
  all: Scheduled[],
  { region, run, due }: { region: string; run: string; due: Set<Scheduled> },
): Untold[] {
  const wanted = all.flatMap(credential => {
    const { id, arn, tags, pending, serviceSchedule: value } = credential
    const tells = value === undefined || tags[SERVICE_SCHEDULE] === value
    if (!arn || tells || pending || due.has(credential) || homeIn(tags) !== region) return []
    return [{ id, arn, value }]
  })
  return byLot(wanted, run, ({ id }) => id).slice(0, MOST)
}

/** Tags these; `failed` is told of each that could not be. */
export async function tellSchedules(
  client: SecretsManagerClient,
  secrets: Untold[],
  failed: (secret: Untold, error: unknown) => void,
): Promise<void> {
  const outcomes = await settled(secrets, AT_ONCE, ({ arn, value }) =>
    ask('Secrets Manager', () =>
      client.send(new TagResourceCommand({ SecretId: arn, Tags: [{ Key: SERVICE_SCHEDULE, Value: value }] })),
    ),
  )
  for (const [index, outcome] of outcomes.entries())
    if (outcome.status === 'rejected') failed(secrets[index] as Untold, outcome.reason)
}
