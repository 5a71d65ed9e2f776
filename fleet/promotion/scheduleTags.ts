import { type SecretsManagerClient, TagResourceCommand } from '@aws-sdk/client-secrets-manager'
import { callAws } from '../../rotation/callAws.ts'
import { homeIn, SERVICE_SCHEDULE_TAG } from '../../rotation/tags.ts'
import { settleConcurrently } from '../concurrency.ts'
import { shuffledByRun } from '../digest.ts'
import type { ScheduledCredential } from '../inventory.ts'

/** Secrets that one run tags at most: each has its replicas on their way for a moment. */
const MAX_SECRETS_PER_RUN = 20
const CONCURRENT_CALL_COUNT = 5

/** A secret, and what its tag is to be. */
export type OutdatedScheduleTag = { id: string; arn: string; value: string }

/**
 * The secrets at home in `region` whose tag does not tell the schedule that Secrets Manager rotates them by with this stack;
 * not those that rotate or are `due`, as a new tag puts replicas on their way, which a rotation waits for. They come by lot:
 * else those that may not be tagged would keep the others from it.
 */
export function findOutdatedScheduleTags(
  all: ScheduledCredential[],
  { region, run, due }: { region: string; run: string; due: Set<ScheduledCredential> },
): OutdatedScheduleTag[] {
  const wanted = all.flatMap(credential => {
    const { id, arn, tags, pending, serviceSchedule: value } = credential
    const tells = value === undefined || tags[SERVICE_SCHEDULE_TAG] === value
    if (!arn || tells || pending || due.has(credential) || homeIn(tags) !== region) return []
    return [{ id, arn, value }]
  })
  return shuffledByRun(wanted, run, ({ id }) => id).slice(0, MAX_SECRETS_PER_RUN)
}

/** Tags these; `failed` is told of each that could not be. */
export async function writeScheduleTags(
  client: SecretsManagerClient,
  secrets: OutdatedScheduleTag[],
  failed: (secret: OutdatedScheduleTag, error: unknown) => void,
): Promise<void> {
  const outcomes = await settleConcurrently(secrets, CONCURRENT_CALL_COUNT, ({ arn, value }) =>
    callAws('Secrets Manager', () =>
      client.send(
        new TagResourceCommand({ SecretId: arn, Tags: [{ Key: SERVICE_SCHEDULE_TAG, Value: value }] }),
      ),
    ),
  )
  for (const [index, outcome] of outcomes.entries())
    if (outcome.status === 'rejected') failed(secrets[index] as OutdatedScheduleTag, outcome.reason)
}
