import { type SecretsManagerClient, TagResourceCommand } from '@aws-sdk/client-secrets-manager'
import { callAws } from '../../rotation/callAws.ts'
import { homeIn, SERVICE_SCHEDULE_TAG } from '../../rotation/tags.ts'
import { settleConcurrently } from '../concurrency.ts'
import { shuffledByRun } from '../digest.ts'
import type { ScheduledCredential } from '../inventory.ts'

/** How many secrets one run tags at most: after each change of a tag, the replicas of the secret are updated. */
const MAX_SECRETS_PER_RUN = 20
const CONCURRENT_CALL_COUNT = 5

/** A secret whose tag keyturn:service-schedule has to be written, and the value that the tag has to get. */
export type OutdatedScheduleTag = { id: string; arn: string; value: string }

/**
 * Finds the secrets at home in `region` whose tag keyturn:service-schedule does not have the schedule by which Secrets Manager
 * rotates them with this stack. A promotion in another Region reads the schedule in that tag. Secrets that rotate or are `due` are
 * left out: a new tag makes their replicas update, and the rotation would have to wait for that. The order differs from run to run,
 * as secrets that may not be tagged would otherwise keep the others from their turn.
 */
export function findOutdatedScheduleTags(
  all: ScheduledCredential[],
  { region, run, due }: { region: string; run: string; due: Set<ScheduledCredential> },
): OutdatedScheduleTag[] {
  const outdated = all.flatMap(credential => {
    const { id, arn, tags, pending, serviceSchedule: value } = credential
    const isUpToDate = value === undefined || tags[SERVICE_SCHEDULE_TAG] === value
    if (!arn || isUpToDate || pending || due.has(credential) || homeIn(tags) !== region) return []
    return [{ id, arn, value }]
  })
  return shuffledByRun(outdated, run, ({ id }) => id).slice(0, MAX_SECRETS_PER_RUN)
}

/** Writes the tags of these secrets. `onFailure` is called for each that could not be tagged. */
export async function writeScheduleTags(
  client: SecretsManagerClient,
  secrets: OutdatedScheduleTag[],
  onFailure: (secret: OutdatedScheduleTag, error: unknown) => void,
): Promise<void> {
  const outcomes = await settleConcurrently(secrets, CONCURRENT_CALL_COUNT, ({ arn, value }) =>
    callAws('Secrets Manager', () =>
      client.send(
        new TagResourceCommand({ SecretId: arn, Tags: [{ Key: SERVICE_SCHEDULE_TAG, Value: value }] }),
      ),
    ),
  )
  for (const [index, outcome] of outcomes.entries())
    if (outcome.status === 'rejected') onFailure(secrets[index] as OutdatedScheduleTag, outcome.reason)
}
