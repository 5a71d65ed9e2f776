import { DAY_SECONDS } from '../../rotation/timeUnits.ts'
import { nextRotationTime } from '../due.ts'
import { daysSince, passwordAgeOf } from './age.ts'
import { isAgeRelevant, isPrimary, kindOf } from './credentialKind.ts'
import type { CredentialFacts } from './facts.ts'
import type { AuditedFleet } from './fleet.ts'
import { isKnown, UnreadFact } from './knownFact.ts'
import { readStatusOf } from './lastRead.ts'
import type { Policy } from './policy/policy.ts'
import { type CredentialRow, type Finding, SEVERITIES } from './report.ts'
import { scheduledCredentialOf } from './schedule.ts'
import { teamOf } from './team.ts'

/** The team of a credential, by the tags that the policy names; undefined if it has none, or its tags could not be read. */
export const teamIn = ({ tags }: CredentialFacts, { teamTags }: Policy): string | undefined =>
  isKnown(tags) ? teamOf(tags.is, teamTags) : undefined

/**
 * The report's row of a credential. What is not known is left out.
 * @param findings those about the credential that count
 */
export function credentialRowOf(
  credential: CredentialFacts,
  findings: Finding[],
  fleet: AuditedFleet,
): CredentialRow {
  const { store, region, name, arn, history } = credential
  const newest = isKnown(history) ? history.is.rotations[0] : undefined
  const age = undefinedIfUnread(() => (isAgeRelevant(credential) ? passwordAgeOf(credential) : undefined))
  const settings = undefinedIfUnread(() => fleet.settingsOf(credential))
  const maxAge = settings?.maxAge === 'never' ? undefined : settings?.maxAge
  const isWholeDays = maxAge === undefined || maxAge % DAY_SECONDS === 0
  const row: { [Key in keyof CredentialRow]: CredentialRow[Key] | undefined } = {
    store,
    kind: kindOf(credential),
    region,
    name,
    arn,
    team: teamIn(credential, fleet.policy),
    engine: newest?.engine,
    strategy: newest?.strategy,
    host: newest?.host,
    rotatedAt: age?.at,
    rotatedBy: age?.by,
    ageDays:
      age &&
      (isWholeDays ? daysSince(age.at, fleet.nowMs) : toHundredthsOfDays(fleet.nowMs - Date.parse(age.at))),
    maxAgeDays: age && maxAge && toHundredthsOfDays(maxAge * 1000),
    next: undefinedIfUnread(() => nextOf(credential, fleet)),
    lastOutcome: newest?.outcome,
    lastRead: undefinedIfUnread(() => lastReadOf(credential, fleet)),
    findings: Object.fromEntries(
      SEVERITIES.flatMap(severity => {
        const count = findings.filter(finding => finding.severity === severity).length
        return count ? [[severity, count]] : []
      }),
    ),
  }
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as CredentialRow
}

/** When a credential is to rotate next, by Secrets Manager's date or by its tags. @throws UnreadFact */
function nextOf(credential: CredentialFacts, { nowMs }: AuditedFleet): string | undefined {
  const scheduled = scheduledCredentialOf(credential)
  const next = scheduled && (scheduled.nextByService ?? nextRotationTime(scheduled, new Date(nowMs)))
  return next?.toISOString()
}

/**
 * The last day on which others than Keyturn read a credential, or anybody if that is long ago; or `never`. Undefined if that is not
 * known, and for a replica.
 * @throws UnreadFact
 */
function lastReadOf(credential: CredentialFacts, fleet: AuditedFleet): string | undefined {
  if (credential.store === 'secrets-manager' && !isPrimary(credential)) return undefined
  const { unreadAfter } = fleet.settingsOf(credential)
  const after = unreadAfter === 'never' ? Number.POSITIVE_INFINITY : unreadAfter * 1000
  const status = readStatusOf(credential, after, fleet)
  if (status.is === 'read') return status.on
  if (status.is === 'not-read') return status.since ?? 'never'
  return status.is === 'alone' ? 'never' : undefined
}

/** Milliseconds in days, rounded up to hundredths, so that an age above the limit is not shown as the limit. */
const toHundredthsOfDays = (milliseconds: number) => Math.ceil(milliseconds / DAY_SECONDS / 10) / 100

/** What `look` returns; undefined if a fact that it needs could not be read. */
function undefinedIfUnread<Found>(look: () => Found): Found | undefined {
  try {
    return look()
  } catch (error) {
    if (error instanceof UnreadFact) return undefined
    throw error
  }
}
