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

const DAY_SECONDS = 86_400

/** Whose a credential is, as the policy has it; undefined also if its tags could not be read. */
export const teamIn = ({ tags }: CredentialFacts, { teamTags }: Policy): string | undefined =>
  isKnown(tags) ? teamOf(tags.is, teamTags) : undefined

/** A credential's row, with the findings about it that count. What is not known is left out. */
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
  const whole = maxAge === undefined || maxAge % DAY_SECONDS === 0
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
      age && (whole ? daysSince(age.at, fleet.nowMs) : toHundredthsOfDays(fleet.nowMs - Date.parse(age.at))),
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

function nextOf(credential: CredentialFacts, { nowMs }: AuditedFleet): string | undefined {
  const scheduled = scheduledCredentialOf(credential)
  const next = scheduled && (scheduled.nextByService ?? nextRotationTime(scheduled, new Date(nowMs)))
  return next?.toISOString()
}

function lastReadOf(credential: CredentialFacts, fleet: AuditedFleet): string | undefined {
  if (credential.store === 'secrets-manager' && !isPrimary(credential)) return undefined
  const { unreadAfter } = fleet.settingsOf(credential)
  const after = unreadAfter === 'never' ? Number.POSITIVE_INFINITY : unreadAfter * 1000
  const reading = readStatusOf(credential, after, fleet)
  if (reading.is === 'read') return reading.on
  if (reading.is === 'not-read') return reading.since ?? 'never'
  return reading.is === 'alone' ? 'never' : undefined
}

/** Milliseconds in days, to the next hundredth that is no less: what is older than a part of a day is not called as old. */
const toHundredthsOfDays = (milliseconds: number) => Math.ceil(milliseconds / DAY_SECONDS / 10) / 100

/** What was found, or nothing if a fact for it could not be read. */
function undefinedIfUnread<Found>(look: () => Found): Found | undefined {
  try {
    return look()
  } catch (error) {
    if (error instanceof UnreadFact) return undefined
    throw error
  }
}
